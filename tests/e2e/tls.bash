# shellcheck shell=bash
# For scenarios with https: certificates of an authority of their own, and clients that trust nobody else.

CA=$BATS_FILE_TMPDIR/ca

# make_ca: once a file of scenarios.
make_ca() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=test-ca \
		-keyout "$CA.key" -out "$CA.pem" 2>/dev/null
	chmod a+r "$CA.pem"
}

# make_cert FILE HOST [ec|rsa] [OPENSSL X509 FLAGS…]: FILE is key, certificate and authority in one.
make_cert() {
	local file=$1 host=$2 kind=${3:-ec}
	shift 2
	[ $# -eq 0 ] || shift
	local new=(-newkey ec -pkeyopt ec_paramgen_curve:P-256)
	[ "$kind" = ec ] || new=(-newkey rsa:2048)
	[ $# -gt 0 ] || set -- -days 20
	openssl req "${new[@]}" -nodes -subj "/CN=$host" -addext "subjectAltName=DNS:$host" \
		-keyout "$T/.key" -out "$T/.csr" 2>/dev/null
	openssl x509 -req -in "$T/.csr" -CA "$CA.pem" -CAkey "$CA.key" -copy_extensions copy \
		-set_serial "0x$(openssl rand -hex 8)" -out "$T/.crt" "$@" 2>/dev/null
	cat "$T/.key" "$T/.crt" "$CA.pem" >"$file"
	private "$file"
}

# Nobody but the proxy may read it.
private() {
	chmod 0640 "$1"
	[ "$(id -u)" -ne 0 ] || chgrp "$(id -gn nobody)" "$1"
}

# put_cert SERVICE HOST [KIND FLAGS…]: renamed in, as it should be; its serial number in $SERIAL.
put_cert() {
	local name=$1
	shift
	make_cert "$S/$name/.tls.pem" "$@"
	SERIAL=$(openssl x509 -in "$S/$name/.tls.pem" -noout -serial)
	mv "$S/$name/.tls.pem" "$S/$name/tls.pem"
}

# tls_service NAME HOST [VERSION]: with an app and a certificate.
tls_service() {
	service "$1" "${3:-v1}"
	ini "$1" "hosts = $2" 'tls = true'
	put_cert "$1" "$2"
}

start_tls_proxy() {
	TLS_PORT=$(free_port)
	start_proxy --https-port "$TLS_PORT" "$@"
}

# sget HOST PATH [CURL FLAGS…]
sget() {
	local host=$1 path=$2
	shift 2
	curl -sSN --path-as-is --max-time "${MAX_TIME:-20}" --cacert "$CA.pem" \
		--connect-to "::127.0.0.1:$TLS_PORT" "$@" "https://$host:$TLS_PORT$path"
}

scode() {
	local host=$1 path=$2
	shift 2
	sget "$host" "$path" -o /dev/null -w '%{http_code}' "$@" || :
}

# shake [FLAGS…]: what openssl s_client has to say of a handshake.
shake() {
	timeout 20 openssl s_client -connect "127.0.0.1:$TLS_PORT" -CAfile "$CA.pem" "$@" \
		</dev/null 2>&1 || :
}

# serial_of HOST [FLAGS…]: of the certificate that answers.
serial_of() {
	local host=$1
	shift
	shake -servername "$host" "$@" | openssl x509 -noout -serial 2>/dev/null
}

serial_is() {
	[ "$(serial_of "$1")" = "$2" ]
}

# certificate_says SERVICE TEXT: the line in the status.
certificate_says() {
	[[ $(field "$1" certificate) == *"$2"* ]]
}

# shakes COUNT [CURL FLAGS…]: so many requests, a handshake each; prints those that were not answered 200.
shakes() {
	local count=$1
	shift
	curl -s --no-progress-meter --parallel --parallel-max 8 --cacert "$CA.pem" --connect-to "::127.0.0.1:$TLS_PORT" \
		-H 'Connection: close' -o /dev/null -w '%{http_code} %{exitcode} %{errormsg}\n' "$@" \
		"https://a.org:$TLS_PORT/?[1-$count]" | grep -v '^200 0' || :
}

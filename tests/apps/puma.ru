# GET / names the version, POST /echo sends the body back.
version = ENV.fetch("VERSION")

run lambda { |env|
  body = env["PATH_INFO"] == "/echo" ? env["rack.input"].read : "version #{version}\n"
  [200, { "Content-Type" => "text/plain", "X-Version" => version }, [body]]
}

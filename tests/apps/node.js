// GET / names the version, POST /echo sends the body back; SIGTERM: finish and go.
"use strict";

const http = require("http");
const version = process.env.VERSION;

const server = http.createServer((request, response) => {
	response.setHeader("Content-Type", "text/plain");
	response.setHeader("X-Version", version);
	if (request.url === "/echo") {
		request.pipe(response);
		return;
	}
	response.end(`version ${version}\n`);
});

server.keepAliveTimeout = 0;
process.umask(0o111);
server.listen(process.env.SOCKET);
process.on("SIGTERM", () => {
	server.close(() => process.exit(0));
	if (server.closeIdleConnections)
		server.closeIdleConnections();
});

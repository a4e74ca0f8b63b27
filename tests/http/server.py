"""An HTTPS server that behaves as the file `mode` in its folder says: server.py PORT FOLDER"""

import json
import pathlib
import select
import socket
import ssl
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

port, folder = int(sys.argv[1]), pathlib.Path(sys.argv[2])
mode_file, dropped = folder / "mode", folder / "dropped"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        mode = mode_file.read_text()
        body = json.dumps({"path": self.path, "key": self.headers.get("x-key")}).encode()
        if mode == "slow":
            time.sleep(0.3)
        elif mode == "silent":
            # Until the client is gone, which a socket shows by being readable.
            (folder / "asked").touch()
            select.select([self.connection], [], [])
            self.connection.settimeout(0.1)
            if not self.connection.recv(1):
                dropped.touch()
            self.close_connection = True
            return
        elif mode == "nonsense":
            self.wfile.write(b"\x1b[2J\0\xff and so on\r\n\r\n")
            self.close_connection = True
            return
        elif mode == "sick":
            self.send_error(503)
            return
        known = True
        if mode == "weather":
            # As openweathermap.org answers.
            known = "zip=60601%2Cus" in self.path or "zip=60601,us" in self.path
            report = {"main": {"temp": 71.6}, "weather": [{"id": 500, "main": "Rain"}], "name": "Chicago"}
            body = json.dumps(report if known else {"cod": "404", "message": "city not found"}).encode()
        self.send_response(200 if known else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if mode == "half":
            self.wfile.write(body[:5])
            self.close_connection = True
            return
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def finish_request(self, request, client_address):
        # The handshake is made here, on a thread of the connection's own.
        request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with context.wrap_socket(request, server_side=True) as connection:
            super().finish_request(connection, client_address)

    def handle_error(self, *_):
        pass


context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(folder / "server.pem", folder / "server.key")
Server(("127.0.0.1", port), Handler).serve_forever()

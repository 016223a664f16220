"""A server that misbehaves in a named way: the address `/NAME/file` gives the file as NAME has it.

Each behavior is a function `(connection, request)` that writes raw bytes; `BEHAVIORS` has them all, with what must come
of it: `True` where the file is whole in the end, `False` where the mirror must be given up."""

import contextlib
import email.utils
import gzip
import hashlib
import socket
import socketserver
import struct
import threading
import time

import torch


def idx(*shape, seed=0, high=256):
    "An idx file of random bytes."
    g = torch.Generator().manual_seed(seed)
    body = torch.randint(0, high, shape, generator=g, dtype=torch.uint8)
    sizes = struct.pack(f'>{len(shape)}I', *shape)
    return b'\0\0\x08' + bytes([len(shape)]) + sizes + body.numpy().tobytes()


TINY = {
    'train-images-idx3-ubyte': idx(40, 28, 28),
    'train-labels-idx1-ubyte': idx(40, high=10),
    't10k-images-idx3-ubyte': idx(12, 28, 28, seed=1),
    't10k-labels-idx1-ubyte': idx(12, seed=1, high=10),
}
PACKED = {f'{n}.gz': gzip.compress(b, mtime=0) for n, b in TINY.items()}


def published(files=TINY, packed=PACKED):
    "Sizes and checksums, as `d2lcnn.download.PUBLISHED` has them."
    return {
        n: (len(b), len(files[n.removesuffix('.gz')]), hashlib.md5(b).hexdigest())
        for n, b in packed.items()
    }


class Request:
    def __init__(self, path, asked, base):
        _, self.kind, self.name = (path.split('/') + ['', ''])[:3]
        self.body, self.asked, self.base = PACKED.get(self.name, b''), asked, base


BEHAVIORS = {}


def behavior(whole, name=None):
    def add(f):
        BEHAVIORS[name or f.__name__] = f, whole
        return f

    return add


def head(status='200 OK', **headers):
    lines = [f'HTTP/1.1 {status}', *(f'{k.replace("_", "-")}: {v}' for k, v in headers.items())]
    return '\r\n'.join([*lines, '', '']).encode('latin-1')


def reply(status='200 OK', change=lambda b: b, whole=False, name=None, **headers):
    "A plain reply with a changed body."

    def plain(c, r):
        body = change(r.body)
        c.sendall(head(status, **{'Content_Length': len(body), **headers}) + body)

    return behavior(whole, name)(plain)


def raw(name, bytes_, whole=False):
    "A fixed text in place of a reply."
    behavior(whole, name)(lambda c, r: c.sendall(bytes_))


def nothing(b):
    return b''


# ------------------------------------------------------------------ in order
reply(whole=True, name='good')
reply(whole=True, name='good with odd headers', X_A='\x80\xff', X_B='a' * 3000, Content_Type='text/html')
reply(whole=True, name='says it is packed', Content_Encoding='gzip')


@behavior(True, 'no length, then closed')
def _(c, r):
    c.sendall(head() + r.body)


@behavior(True, 'chunked')
def _(c, r):
    half = len(r.body) // 2
    c.sendall(head(Transfer_Encoding='chunked'))
    for part in (r.body[:half], r.body[half:], b''):
        c.sendall(f'{len(part):x}\r\n'.encode() + part + b'\r\n')


@behavior(True, 'more than it announces')
def _(c, r):
    c.sendall(head(Content_Length=len(r.body)) + r.body + b'x' * 1000)


@behavior(True, 'sent elsewhere')
def _(c, r):
    c.sendall(head('302 Found', Location=f'{r.base}/good/{r.name}', Content_Length=0))


@behavior(True, 'a late answer')
def _(c, r):
    time.sleep(0.3)
    c.sendall(head(Content_Length=len(r.body)) + r.body)


def busy_once(status, after):
    def busy(c, r):
        if r.asked == 1:
            c.sendall(head(status, **after, Content_Length=0))
        else:
            c.sendall(head(Content_Length=len(r.body)) + r.body)

    return busy


behavior(True, 'busy at first')(busy_once('429 Too Many Requests', dict(Retry_After=0)))
behavior(True, 'busy at first, no time')(busy_once('503 Service Unavailable', {}))
behavior(True, 'busy at first, odd time')(busy_once('503 Service Unavailable', dict(Retry_After='soon')))
past = email.utils.formatdate(0, usegmt=True)
behavior(True, 'busy at first, a date')(busy_once('429 Too Many Requests', dict(Retry_After=past)))

# ------------------------------------------------------------------ a status
for status in ('400 Bad Request', '401 Unauthorized', '403 Forbidden', '404 Not Found', '407 Proxy Authentication Required', '410 Gone',
               '416 Range Not Satisfiable', '500 Internal Server Error', '502 Bad Gateway', '504 Gateway Timeout', '999 What'):
    reply(status, name=status, change=lambda b: b'<html>no</html>')
for status in ('204 No Content', '206 Partial Content', '304 Not Modified'):
    reply(status, name=status, change=lambda b: b[:10])
reply('429 Too Many Requests', nothing, name='busy for ever', Retry_After=0)
reply('503 Service Unavailable', nothing, name='busy for a year', Retry_After=31_536_000)
reply('503 Service Unavailable', nothing, name='busy for ever, no time')
reply('429 Too Many Requests', nothing, name='busy until 9999', Retry_After='Fri, 31 Dec 9999 23:59:59 GMT')
reply('503 Service Unavailable', nothing, name='busy beyond numbers', Retry_After='9' * 400)

# ------------------------------------------------------------------ sent away
reply('302 Found', nothing, name='sent nowhere', Location='http://127.0.0.1:9/x')
reply('302 Found', nothing, name='sent to no address', Location='http://[::1/x')
reply('302 Found', nothing, name='sent to no port', Location='http://127.0.0.1:x/x')
reply('302 Found', nothing, name='sent to a file', Location='file:///etc/hostname')
reply('302 Found', nothing, name='sent to ftp', Location='ftp://127.0.0.1:9/x')
reply('302 Found', nothing, name='sent to nobody', Location='http://no-such-host.invalid/x')
reply('302 Found', nothing, name='sent without address')
reply('301 Moved', nothing, name='sent to odd letters', Location='http://127.0.0.1:9/\xff\x01 \x7f')


@behavior(False, 'sent in a circle')
def _(c, r):
    c.sendall(head('302 Found', Location=f'{r.base}/sent in a circle/{r.name}'.replace(' ', '%20'), Content_Length=0))


# ------------------------------------------------------------------ no HTTP
raw('closed at once', b'')
raw('not http', b'SSH-2.0-OpenSSH_9.6\r\n' * 3)
raw('bytes', bytes(range(256)) * 40)
raw('a status line only', b'HTTP/1.1 200 OK\r\n')
raw('half a header', b'HTTP/1.1 200 OK\r\nContent-Le')
raw('a status that is none', b'HTTP/1.1 abc OK\r\n\r\n')
raw('a negative status', b'HTTP/1.1 -200 OK\r\n\r\n')
raw('a header line of 70,000', b'HTTP/1.1 200 OK\r\nX: ' + b'a' * 70_000 + b'\r\n\r\n')
raw('200 headers', b'HTTP/1.1 200 OK\r\n' + b'X: a\r\n' * 200 + b'\r\n')
raw('a header without colon', b'HTTP/1.1 200 OK\r\n\0\xff\r\n: x\r\n\r\n')


@behavior(False, 'connection reset')
def _(c, r):
    c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))


@behavior(False, 'reset in the body')
def _(c, r):
    c.sendall(head(Content_Length=len(r.body)) + r.body[:100])
    time.sleep(0.05)
    c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))


# ------------------------------------------------------------------ a wrong body
reply(change=lambda b: b[: len(b) // 2], name='half')
reply(change=nothing, name='empty')
reply(change=lambda b: b[:-1] + b'!', name='one byte changed')
reply(change=lambda b: bytes(len(b)), name='zeros')
reply(change=lambda b: b'<!doctype html><title>Log in</title>', name='a portal', Content_Type='text/html; charset=utf-8')
reply(change=lambda b: b'<html>' + bytes(len(b) - 6), name='a portal of the right size', Content_Type='text/html')
reply(change=lambda b: PACKED['t10k-labels-idx1-ubyte.gz'] + b'', name='another file')
reply(change=lambda b: gzip.decompress(b), name='unpacked')
reply(change=lambda b: gzip.compress(b), name='packed twice')
reply(change=lambda b: gzip.compress(bytes(50_000_000), 9), name='a bomb')
reply(change=lambda b: b + b'x', name='one byte more')
reply(change=lambda b: b[:-1], name='a wrong length', Content_Length=10**6)
reply(name='a length of 10 bytes', Content_Length=10)
reply(change=lambda b: b[:-1], name='a length that is none', Content_Length='many')
reply(change=lambda b: b[:-1], name='a negative length', Content_Length=-5)
reply(change=lambda b: b[:-1], name='an enormous length', Content_Length='9' * 30)


@behavior(False, 'cut in the middle')
def _(c, r):
    c.sendall(head(Content_Length=len(r.body)) + r.body[: len(r.body) // 2])


def chunks(name, *parts):
    def chunked(c, r):
        c.sendall(head(Transfer_Encoding='chunked'))
        for part in parts:
            c.sendall(part)

    behavior(False, name)(chunked)


chunks('a cut chunk', b'ffff\r\n', b'x' * 100)
chunks('chunks without end', *[b'1\r\nx\r\n'] * 3)
chunks('a chunk size that is none', b'zz\r\nxx\r\n')
chunks('a negative chunk', b'-5\r\nxx\r\n')
chunks('an enormous chunk', b'f' * 30 + b'\r\nxx\r\n')
chunks('a chunk size of 70,000', b'0' * 70_000 + b'\r\n')


# ------------------------------------------------------------------ without end
def endless(name, first, again, pause=0.0):
    "Goes on until the other side has had enough."

    def on_and_on(c, r):
        c.sendall(first if isinstance(first, bytes) else first(r))
        end = time.monotonic() + 60
        while time.monotonic() < end:
            c.sendall(again)
            time.sleep(pause)

    behavior(False, name)(on_and_on)


endless('an endless body', head(), b'x' * 4096)
endless('endless chunks', head(Transfer_Encoding='chunked'), b'4\r\nxxxx\r\n', 0.001)
endless('endless headers', b'HTTP/1.1 200 OK\r\n', b'X: a\r\n', 0.01)
endless('continue, continue', b'', b'HTTP/1.1 100 Continue\r\n\r\n', 0.005)
endless('a byte now and then', lambda r: head(Content_Length=len(r.body)), b'x', 0.1)
endless('a header byte now and then', b'HTTP/1.1 200 OK\r\nX: ', b'a', 0.1)
endless('a status byte now and then', b'HTTP/1.1 200 ', b'O', 0.1)
endless('a chunk byte now and then', head(Transfer_Encoding='chunked'), b'1\r\nx\r\n', 0.1)
endless('half, then a byte now and then', lambda r: head(Content_Length=len(r.body)) + r.body[:200], b'x', 0.1)


def mute(name, first):
    def silent(c, r):
        c.sendall(first(r))
        c.settimeout(60)
        with contextlib.suppress(OSError):
            c.recv(1)  # until the other side hangs up

    behavior(False, name)(silent)


mute('silence', lambda r: b'')
mute('silence after the headers', lambda r: head(Content_Length=len(r.body)))
mute('silence in a header', lambda r: b'HTTP/1.1 200 OK\r\nX: a')
mute('silence at the last byte', lambda r: head(Content_Length=len(r.body)) + r.body[:-1])
mute('silence in a chunk', lambda r: head(Transfer_Encoding='chunked') + b'ff\r\nxx')


class Handler(socketserver.BaseRequestHandler):
    def handle(self):
        text = b''
        self.request.settimeout(60)
        with contextlib.suppress(OSError):
            while b'\r\n\r\n' not in text:
                part = self.request.recv(4096)
                if not part:
                    return
                text += part
            path = text.split(b' ')[1].decode().replace('%20', ' ')
            with self.server.counting:
                self.server.asked[path] = self.server.asked.get(path, 0) + 1
                self.server.order.append(path)
            r = Request(path, self.server.asked[path], self.server.base)
            BEHAVIORS[r.kind][0](self.request, r)


class Server(socketserver.ThreadingTCPServer):
    daemon_threads, block_on_close, allow_reuse_address, request_queue_size = True, False, True, 256

    def __init__(self):
        super().__init__(('127.0.0.1', 0), Handler)
        self.asked, self.order, self.counting = {}, [], threading.Lock()
        self.base = f'http://127.0.0.1:{self.server_address[1]}'

    def handle_error(self, *_):  # the other side has hung up
        pass

    def mirrors(self, *kinds):
        return tuple(f'{self.base}/{k}/'.replace(' ', '%20') for k in kinds)

    @classmethod
    @contextlib.contextmanager
    def running(cls):
        server = cls()
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield server
        finally:
            server.shutdown()
            server.server_close()

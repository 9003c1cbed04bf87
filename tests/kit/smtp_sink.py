"""A mail server that keeps everything and delivers nothing (aiosmtpd), for tests.

Prints one JSON line with its port when it listens, then one line per message:
{"from": …, "to": […], "headers": {…}, "text": …, "html": …, "raw": …}.
--refuse ADDRESS answers 550 to that recipient; --defer ADDRESS answers 451 until the server ends.
"""

import argparse
import email
import email.policy
import json
import signal
import sys
import threading

from aiosmtpd.controller import Controller


def say(value):
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def part(message, kind):
    body = message.get_body(preferencelist=(kind,))
    return body.get_content() if body is not None else None


class Sink:
    def __init__(self, refuse, defer):
        self.refuse, self.defer = refuse, defer

    async def handle_RCPT(self, _server, _session, envelope, address, _options):
        if address in self.refuse:
            return "550 5.1.1 no such mailbox"
        if address in self.defer:
            return "451 4.3.0 try again later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server, _session, envelope):
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        say(
            {
                "from": envelope.mail_from,
                "to": envelope.rcpt_tos,
                "headers": {name.lower(): str(value) for name, value in message.items()},
                "text": part(message, "plain"),
                "html": part(message, "html"),
                "raw": envelope.content.decode("utf-8", "replace"),
            }
        )
        return "250 OK"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--refuse", action="append", default=[])
    parser.add_argument("--defer", action="append", default=[])
    options = parser.parse_args()
    controller = Controller(Sink(options.refuse, options.defer), hostname="127.0.0.1", port=options.port)
    controller.start()
    say({"port": options.port})
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    signal.signal(signal.SIGINT, lambda *_: ended.set())
    ended.wait()
    controller.stop()


if __name__ == "__main__":
    main()

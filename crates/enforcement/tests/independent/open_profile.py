"""Opens the known answers of the profile vault. Written from the descriptions of the forms, sharing no code with privity.

Usage: open_profile.py VECTORS. Ends with 0 when everything is as described, 1 when not, 3 when it cannot run here.
"""

import base64
import hashlib
import hmac
import json
import struct
import sys

try:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
except ImportError:
    sys.exit(3)


def joined(prefix, parts):
    return prefix + b"".join(struct.pack(">Q", len(part)) + part for part in parts)


def opened(key, version, bound_to, envelope):
    """[1 format][4 key version][12 nonce][ciphertext][16 tag]"""
    assert envelope[0] == 1 and struct.unpack(">I", envelope[1:5])[0] == version
    return AESGCM(key).decrypt(envelope[5:17], envelope[17:], bound_to)


def unpadded(inside):
    length = struct.unpack(">I", inside[:4])[0]
    assert len(inside) % 64 == 0 and not any(inside[4 + length :])
    return inside[4 : 4 + length]


def varint(body, at):
    number = shift = 0
    while True:
        byte = body[at]
        number |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return number, at


def values(body):
    assert body[0] == 1
    base, at = varint(body, 1)
    base = (base >> 1) ^ -(base & 1)
    count, at = varint(body, at)
    found = []
    for _ in range(count):
        attribute, at = varint(body, at)
        source, at = varint(body, at)
        flags, at = body[at], at + 1
        later, at = varint(body, at)
        length, at = varint(body, at)
        text, at = body[at : at + length].decode(), at + length
        found.append((attribute, source, flags >> 1, bool(flags & 1), base + later, text))
    assert at == len(body)
    return found


def main(path):
    with open(path, encoding="utf-8") as file:
        vectors = json.load(file)
    keys = json.loads(vectors["key_file"])
    epoch = base64.b64decode(keys["key_encryption_keys"]["1"])
    root = base64.b64decode(keys["root"])

    request = vectors["request"]
    bound_to = joined(b"privity request key v1", [b"privacy_request", request["id"].encode(), b"1"])
    assert len(opened(epoch, 1, bound_to, bytes.fromhex(request["wrapped_key"]))) == 32

    subject = bytes.fromhex(vectors["subject"]["id"])
    version = vectors["subject"]["key_version"]
    bound_to = b"privity subject key v1" + subject + struct.pack(">I", version)
    key = opened(epoch, 1, bound_to, bytes.fromhex(vectors["subject"]["wrapped_key"]))
    texts = []
    for segment in vectors["segments"]:
        bound_to = joined(b"privity segment v1", [segment["table"].encode(), segment["segment"].encode()])
        bound_to += subject + struct.pack(">QI", segment["row_version"], segment["schema"])
        body = unpadded(opened(key, version, bound_to, bytes.fromhex(segment["sealed"])))
        assert body.hex() == segment["body"]
        texts += [value[5] for value in values(body)]
        assert all(value[1:5] == (1, 100, True, 1_795_000_000_000_000) for value in values(body))
    assert texts == ["Ada Byron", "Ada@Example.com", "(415) 555-0100", "078-05-1120", '[{"item":"teapot"}]']

    def mac(secret, data):
        return hmac.new(secret, data, hashlib.sha256).digest()

    index = mac(root, b"privity key v1|profile index")
    for tag in vectors["tags"]:
        kind = mac(index, b"privity profile index v1|" + tag["kind"].encode())
        assert mac(kind, b"\x02" + tag["normal"].encode())[:16].hex() == tag["tag"]

    service = base64.b64decode(json.loads(vectors["service_file"])["key"])
    wrapped = vectors["wrapped_by_service"]
    bound_to = joined(b"privity local key service v1", [wrapped["bound_to"].encode()])
    assert opened(service, 1, bound_to, bytes.fromhex(wrapped["wrapped"])).hex() == wrapped["key"]


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except Exception as error:  # whatever went wrong, it is not as described
        print(type(error).__name__, file=sys.stderr)
        sys.exit(1)

#!/usr/bin/env python3
"""Verifies an evidence file without any of Privity's code: Python's standard library and this page.

    verify_evidence.py FILE [PUBLIC_KEY]

Written from docs/guides/evidence.md, RFC 6962 (the tree), RFC 8032 (Ed25519) and C2SP signed-note and tlog-checkpoint.
Exit code 0 when everything holds, 1 with a reason when it does not. Our own verifier is tested against this one.
"""
import base64
import hashlib
import json
import sys


def sha256(data):
    return hashlib.sha256(data).digest()


def fail(reason):
    print(reason)
    sys.exit(1)


# Ed25519 verification (RFC 8032 section 5.1.7), plain and slow.
P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT_OF_MINUS_ONE = pow(2, (P - 1) // 4, P)


def x_of(y, sign):
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT_OF_MINUS_ONE % P
    if (x * x - square) % P or (x == 0 and sign):
        return None
    return P - x if x % 2 != sign else x


def add(a, b):
    (x1, y1), (x2, y2) = a, b
    product = D * x1 * x2 * y1 * y2 % P
    x3 = (x1 * y2 + x2 * y1) * pow(1 + product, P - 2, P)
    y3 = (y1 * y2 + x1 * x2) * pow(1 - product, P - 2, P)
    return x3 % P, y3 % P


def times(point, number):
    result = (0, 1)
    while number:
        if number & 1:
            result = add(result, point)
        point = add(point, point)
        number >>= 1
    return result


def point_of(data):
    number = int.from_bytes(data, "little")
    y, sign = number % 2**255, number >> 255
    x = x_of(y, sign)
    return None if x is None else (x, y)


BASE_Y = 4 * pow(5, P - 2, P) % P
BASE = (x_of(BASE_Y, 0), BASE_Y)


def signed_by(public, message, signature):
    a, r = point_of(public), point_of(signature[:32])
    s = int.from_bytes(signature[32:], "little")
    if len(signature) != 64 or a is None or r is None or s >= ORDER:
        return False
    h = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), "little") % ORDER
    return times(BASE, s) == add(r, times(a, h))


def checkpoint_of(note, vkey):
    name, key_id, key = vkey.split("+", 2)
    key = base64.b64decode(key, validate=True)
    if sha256(name.encode() + b"\n" + key)[:4].hex() != key_id or key[0] != 1:
        fail("the public key does not belong to its id")
    text, _, lines = note.rpartition("\n\n")
    text += "\n"
    for line in lines.splitlines():
        dash, signer, encoded = line.split(" ")
        signature = base64.b64decode(encoded, validate=True)
        if dash == "\u2014" and signer == name and signature[:4].hex() == key_id:
            if not signed_by(key[1:], text.encode(), signature[4:]):
                fail("the signature does not fit the checkpoint")
            origin, size, root = text.splitlines()[:3]
            if origin != name:
                fail("the checkpoint is of another log")
            return origin, int(size), base64.b64decode(root, validate=True)
    fail("the checkpoint is not signed by this key")


def root_from(leaf, index, size, proof):
    """The root that a proof leads to: RFC 6962 section 2.1.1, read backwards."""
    def climb(index, size, proof):
        if size == 1:
            return leaf if not proof else fail("a proof is too long")
        if not proof:
            fail("a proof is too short")
        left = 1 << ((size - 1).bit_length() - 1)
        sibling, rest = proof[-1], proof[:-1]
        if index < left:
            return sha256(b"\x01" + climb(index, left, rest) + sibling)
        return sha256(b"\x01" + sibling + climb(index - left, size - left, rest))

    return climb(index, size, proof)


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        evidence = json.load(file)
    vkey = sys.argv[2] if len(sys.argv) > 2 else evidence["verifier_key"]
    origin, size, root = checkpoint_of(evidence["checkpoint"], vkey)
    previous = None
    for position, item in enumerate(evidence["records"]):
        entry = base64.b64decode(item["entry"], validate=True)
        record = json.loads(entry)
        leaf = sha256(b"\x00" + entry)
        link = record["request"]
        if record["log"] != origin or record["sequence"] != item["sequence"] or link["id"] != evidence["request"]:
            fail(f"record {position} belongs elsewhere")
        if link["sequence"] != position or link.get("previous") != previous:
            fail(f"before record {position} one is missing")
        proof = [bytes.fromhex(text) for text in item["proof"]]
        if item["sequence"] >= size or root_from(leaf, item["sequence"], size, proof) != root:
            fail(f"record {position} is not in the signed log")
        previous = leaf.hex()
        print(record["at"], record["action"], record.get("subject_of", ""), record["actor"])
    if previous is None:
        fail("there are no records")
    print(f"{len(evidence['records'])} records hold")


main()

"""A peer of the benchmark: the lesson's own shape, Flask and PyJWT, with a
bcrypt hash of cost 10, as most tutorials have it."""
import datetime
import crypt

import jwt
from flask import Flask, jsonify, request

app = Flask(__name__)
SECRET = "0123456789abcdef0123456789abcdef"
HASH = crypt.crypt("correct-horse-bench", crypt.mksalt(crypt.METHOD_BLOWFISH, rounds=1 << 10))


@app.get("/hello")
def hello():
    return "hello"


@app.post("/login")
def login():
    body = request.get_json()
    if crypt.crypt(body["password"], HASH) != HASH:
        return jsonify(error="invalid"), 401
    exp = datetime.datetime.utcnow() + datetime.timedelta(hours=1)
    return jsonify(token=jwt.encode({"sub": body["username"], "exp": exp}, SECRET, algorithm="HS256"))


@app.get("/auth")
def auth():
    token = request.headers.get("Authorization", "")[7:]
    try:
        claims = jwt.decode(token, SECRET, algorithms=["HS256"])
    except jwt.PyJWTError:
        return jsonify(error="invalid_token"), 401
    return jsonify(sub=claims["sub"])

import os
from pathlib import Path

from flask import Flask, redirect, render_template, request

app = Flask(__name__)
guests = Path(os.environ["GUESTS"])


@app.get("/")
def book():
    names = guests.read_text().splitlines() if guests.exists() else []
    return render_template("book.html", names=names)


@app.post("/sign")
def sign():
    with guests.open("a") as file:
        file.write(request.form["name"] + "\n")
    return redirect("/")

// Reads JSON as a person wrote it: where it is none, it says in which line and column and why; and it knows the place
// of every value, so that a fault in what it says is shown where it stands.

const MOST_DEPTH = 40;

export class JsonFault extends Error {
  constructor(message, text, offset) {
    super(message);
    Object.assign(this, placeOf(text, offset), { offset });
  }
}

// The line and column of a character, both from 1.
export function placeOf(text, offset) {
  const before = text.slice(0, offset);
  const line = before.split("\n").length;
  return { line, column: offset - before.lastIndexOf("\n") };
}

// {value, places}: `places` maps a path such as "columns.0.color" to [start, end] of what stands there; a field's
// begins at its name.
export function readJson(text) {
  return new Reader(text).read();
}

class Reader {
  constructor(text) {
    this.text = text;
    this.at = text.charCodeAt(0) === 0xfeff ? 1 : 0;
    this.places = new Map();
  }

  read() {
    const value = this.#value("", 0);
    this.#skip();
    if (this.at < this.text.length) this.#fail("Something stands after the end of the board.");
    return { value, places: this.places };
  }

  #value(path, depth, start = this.#skip()) {
    if (depth > MOST_DEPTH) this.#fail(`Nested more than ${MOST_DEPTH} deep.`);
    this.#skip();
    const first = this.text[this.at];
    let value;
    if (first === undefined) this.#fail(this.at ? "It ends too early: a value is missing." : "There is nothing to read.");
    else if (first === "{") value = this.#object(path, depth);
    else if (first === "[") value = this.#array(path, depth);
    else if (first === "\"") value = this.#string();
    else value = this.#word();
    this.places.set(path, [start, this.at]);
    return value;
  }

  #object(path, depth) {
    const found = {};
    const open = this.at;
    this.at += 1;
    this.#skip();
    while (this.text[this.at] !== "}") {
      const start = this.#skip();
      if (this.text[start] === undefined) this.#fail("It ends too early: a } is missing.", open);
      if (this.text[start] !== "\"") this.#fail(this.text[start] === "'" ? "Names stand in double quotes." : "A name in double quotes is missing here.");
      const name = this.#string();
      this.#skip();
      if (this.text[this.at] !== ":") this.#fail(`A colon is missing after “${name}”.`);
      this.at += 1;
      if (Object.hasOwn(found, name)) this.#fail(`“${name}” stands twice.`, start);
      const value = this.#value(path ? `${path}.${name}` : name, depth + 1, start);
      // A name such as __proto__ is a field like any other.
      Object.defineProperty(found, name, { value, enumerable: true, configurable: true, writable: true });
      this.#between("}", open);
    }
    this.at += 1;
    return found;
  }

  #array(path, depth) {
    const found = [];
    const open = this.at;
    this.at += 1;
    this.#skip();
    while (this.text[this.at] !== "]") {
      if (this.text[this.at] === undefined) this.#fail("It ends too early: a ] is missing.", open);
      found.push(this.#value(`${path ? `${path}.` : ""}${found.length}`, depth + 1));
      this.#between("]", open);
    }
    this.at += 1;
    return found;
  }

  // A comma with something behind it, or the end.
  #between(end, open) {
    this.#skip();
    const next = this.text[this.at];
    if (next === end) return;
    if (next === undefined) this.#fail(`It ends too early: a ${end} is missing.`, open);
    if (next !== ",") this.#fail(`A comma or ${end} is missing here.`);
    const comma = this.at;
    this.at += 1;
    this.#skip();
    if (this.text[this.at] === end) this.#fail(`The comma before ${end} is one too many.`, comma);
  }

  #string() {
    const start = this.at;
    for (this.at += 1; this.text[this.at] !== "\""; this.at += 1) {
      const character = this.text[this.at];
      if (character === undefined || character === "\n") this.#fail("The text has no closing quote.", start);
      if (character < " ") this.#fail("A control character stands in the text.");
      if (character === "\\") this.at += 1;
    }
    this.at += 1;
    return this.#parsed(start, "The text holds an escape that is none.");
  }

  #word() {
    const start = this.at;
    while (this.at < this.text.length && !/[\s,:\]}"'[{]/.test(this.text[this.at])) this.at += 1;
    const word = this.text.slice(start, this.at);
    if (this.text[start] === "'") this.#fail("Texts stand in double quotes.", start);
    return this.#parsed(start, word ? `“${word.slice(0, 40)}” is no value. Texts stand in double quotes.` : "A value is missing here.");
  }

  #parsed(start, fault) {
    try {
      return JSON.parse(this.text.slice(start, this.at));
    } catch {
      return this.#fail(fault, start);
    }
  }

  #skip() {
    while (/[ \t\n\r]/.test(this.text[this.at] ?? "")) this.at += 1;
    return this.at;
  }

  #fail(message, at = this.at) {
    throw new JsonFault(message, this.text, at);
  }
}

import { Document, isScalar, LineCounter, parseAllDocuments, visit, type Scalar, type ToStringOptions } from "yaml";
import { escapeControlsInYaml, hasUnseen } from "./printable.ts";
import { MAX_LEVELS, tooDeepAt } from "./yaml-depth.ts";
import { isPlainText, SCALARS } from "./yaml-scalars.ts";

/** Non-characters have to be escapes too, which only double quotes have. */
const NON_CHARACTERS = /[\ufffe\uffff]/;

/** A value as YAML; see {@link documentText}. */
export function yamlText(value: unknown): string {
  // As JSON would have it: no undefined, no anchors for objects that occur twice.
  return documentText(new Document(JSON.parse(JSON.stringify(value)) as unknown));
}

/**
 * A document for kubectl, without characters that a terminal obeys: they are escapes within double quotes. Strings that
 * kubectl would take for something else are quoted too.
 */
export function documentText(document: Document, options: ToStringOptions = {}): string {
  const quote = (node: Scalar): void => {
    const { value } = node;
    if (typeof value === "string" && (!isPlainText(value) || hasUnseen(value) || NON_CHARACTERS.test(value))) {
      node.type = "QUOTE_DOUBLE";
    }
  };
  visit(document, {
    Scalar: (_, node) => quote(node),
    Pair(_, { key }) {
      if (isScalar(key)) quote(key as Scalar);
    },
  });
  return escapeControlsInYaml(document.toString(options));
}

/** Mistakes that people make most, in words; others have the parser's own name. */
const MISTAKES: Readonly<Record<string, string>> = {
  BAD_INDENT: "this line is indented differently from those that it belongs to",
  BLOCK_AS_IMPLICIT_KEY: "no mapping may begin here; see the indentation, or put a text with a colon in quotes",
  MISSING_CHAR: "a character is missing, such as a closing quote, bracket or comma",
  MULTILINE_IMPLICIT_KEY: "a key goes over several lines; see the indentation, or whether a colon is missing",
  TAB_AS_INDENT: "a tab may not indent a line; use blanks",
  UNEXPECTED_TOKEN: "this does not belong here; see the indentation and the quotes",
};

/**
 * The values of all documents in a text, as kubectl reads them.
 *
 * @throws Error that names the place and the kind of the mistake, and quotes nothing: the file may have secrets
 */
export function parseYaml(text: string): unknown[] {
  const deep = tooDeepAt(text);
  if (deep !== undefined) {
    const before = text.slice(0, deep).split("\n");
    const place = `line ${before.length}, column ${before.at(-1)!.length + 1}`;
    throw new Error(`it is not valid YAML: ${place}: nested more than ${MAX_LEVELS} levels deep`);
  }
  const lines = new LineCounter();
  // The parser's own search for keys that occur twice compares each with each.
  const documents = parseAllDocuments(text, {
    lineCounter: lines,
    prettyErrors: false,
    logLevel: "silent",
    uniqueKeys: false,
    schema: "failsafe",
    customTags: SCALARS,
  });
  if (!Array.isArray(documents)) return [];
  const [error] = documents.flatMap(({ errors }) => errors);
  if (error) {
    const { line, col } = lines.linePos(error.pos[0]);
    const what = MISTAKES[error.code] ?? error.code.toLowerCase().replaceAll("_", " ");
    throw new Error(`it is not valid YAML: line ${line}, column ${col}: ${what}`);
  }
  for (const document of documents) checkKeys(document, lines);
  return documents.map((document) => {
    try {
      return document.toJS() as unknown;
    } catch {
      throw new Error("it is not valid YAML: an alias without its anchor, or far too many aliases");
    }
  });
}

function checkKeys(document: Document.Parsed, lines: LineCounter): void {
  visit(document, {
    Map(_, { items }) {
      const keys = new Set<unknown>();
      for (const { key } of items) {
        if (!isScalar(key)) continue;
        if (keys.has(key.value) && key.value !== "<<") {
          const { line, col } = lines.linePos(key.range?.[0] ?? 0);
          throw new Error(`it is not valid YAML: line ${line}, column ${col}: duplicate key`);
        }
        keys.add(key.value);
      }
    },
  });
}

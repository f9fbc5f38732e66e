import { Document, isScalar, LineCounter, parseAllDocuments, visit, type Scalar } from "yaml";
import { escapeControls } from "./printable.ts";

const OBEYED_BY_TERMINALS = /(?![\n\t])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u;

/** A value as YAML without characters that a terminal obeys: they are escapes within double quotes. */
export function yamlText(value: unknown): string {
  // As JSON would have it: no undefined, no anchors for objects that occur twice.
  const document = new Document(JSON.parse(JSON.stringify(value)) as unknown);
  visit(document, {
    Scalar(_, node) {
      if (typeof node.value === "string" && OBEYED_BY_TERMINALS.test(node.value)) node.type = "QUOTE_DOUBLE";
    },
    Pair(_, { key }) {
      if (isScalar(key) && OBEYED_BY_TERMINALS.test(String(key.value))) (key as Scalar).type = "QUOTE_DOUBLE";
    },
  });
  return escapeControls(document.toString());
}

/**
 * The values of all documents in a text.
 *
 * @throws Error that names the place and the kind of the mistake, and quotes nothing: the file may have secrets
 */
export function parseYaml(text: string): unknown[] {
  const lines = new LineCounter();
  // The parser's own search for keys that occur twice compares each with each.
  const documents = parseAllDocuments(text, {
    lineCounter: lines,
    prettyErrors: false,
    logLevel: "silent",
    uniqueKeys: false,
  });
  if (!Array.isArray(documents)) return [];
  const [error] = documents.flatMap(({ errors }) => errors);
  if (error) {
    const { line, col } = lines.linePos(error.pos[0]);
    throw new Error(
      `it is no valid YAML: line ${line}, column ${col}: ${error.code.toLowerCase().replaceAll("_", " ")}`,
    );
  }
  for (const document of documents) checkKeys(document, lines);
  return documents.map((document) => {
    try {
      return document.toJS() as unknown;
    } catch {
      throw new Error("it is no valid YAML: an alias without its anchor, or far too many aliases");
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
          throw new Error(`it is no valid YAML: line ${line}, column ${col}: duplicate key`);
        }
        keys.add(key.value);
      }
    },
  });
}

import { expect, test } from "bun:test";
import fc from "fast-check";
import { withoutManagedFields } from "./managed-fields.ts";

const cut = (text: string): string | undefined => {
  const short = withoutManagedFields(new TextEncoder().encode(text));
  return short && new TextDecoder().decode(short);
};
const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

test("what the API server sends of typed objects, and in the order of their names of all others", () => {
  const fields = '[{"manager":"a","fieldsV1":{"f:x":{"k:{\\"name\\":\\"X\\"}":{}}}},{"manager":"b","fieldsV1":{}}]';
  const typed = (metadata: string): string =>
    `{"type":"ADDED","object":{"kind":"Pod","metadata":${metadata},"spec":{"a":[{"b":1}]}}}`;
  expect(cut(typed(`{"name":"x","managedFields":${fields}}`))).toBe(typed('{"name":"x"}'));
  expect(cut(typed(`{"labels":{"a":"b"},"managedFields":${fields},"name":"x"}`))).toBe(
    typed('{"labels":{"a":"b"},"name":"x"}'),
  );
});

test.each([
  '{"object":{"metadata":{"name":"x"}}}',
  '{"object":{"metadata":{"name":"x","managedFields":[]}}}',
  '{"object":{"metadata":{"name":"x","managedFields":null}}}',
  '{"object":{"metadata":{"name":",\\"managedFields\\":[{}]}"}}}',
  '{"object":{"metadata":{"name":"x","managedFields":[{"manager":"endless',
  // A list of something else, and the end of another list further on.
  '{"object":{"metadata":{"name":"x","managedFields":[{},1],"uid":"u"},"spec":{"list":[{}],"more":1}}}',
  '{"object":{"metadata":{"name":"x","managedFields":[{} ],"owners":[{}]}}}',
  // Fields of the same name that are somebody's own.
  '{"object":{"metadata":{"name":"x"},"status":{"onload":{"a":1,"managedFields":[{}]}}}}',
  '{"object":{"metadata":{"name":"x"},"spec":{"a":1,"managedFields":[{}]}}}',
  '{"object":{"metadata":{"name":"x","more":{"a":1,"managedFields":[{}]}}}}',
  '{"object":{"spec":{"metadata":{"a":1,"managedFields":[{}]}}}}',
  '{"object":{"x\\"metadata":{"a":1,"managedFields":[{}]}}}',
  '{"object":[{"metadata":{"a":1,"managedFields":[{}]}}]}',
])("nothing is cut from %s", (text) => expect(cut(text)).toBeUndefined());

/** Texts that look like the record, its start or its end. */
const text = fc.oneof(
  fc.constantFrom("}]}", "}],", "]", ',"managedFields":[{', '"}],"', "\\", '\\"}]}', "managedFields", "metadata", '"'),
  fc.string(),
);
const hostile = fc.array(text, { maxLength: 4 }).map((parts) => parts.join(""));
const name = fc.oneof(hostile, fc.constantFrom("managedFields", "metadata"));
const value = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    hostile,
    fc.integer(),
    fc.array(tie("value"), { maxLength: 3 }),
    fc.constantFrom([{}], [{}, 1], [[{}]]),
    fc.dictionary(name, tie("value"), { maxKeys: 3 }),
  ),
})).value;

test("whoever writes whatever: what is left is no JSON, or lacks object.metadata.managedFields alone", () => {
  let cuts = 0;
  fc.assert(
    fc.property(value, fc.option(value), value, fc.boolean(), (labels, fields, rest, isOfObjects) => {
      const managedFields = isOfObjects ? [{ manager: "x", fieldsV1: fields }] : fields;
      const metadata = { labels, ...(managedFields === null ? {} : { managedFields }), uid: rest };
      const event = { type: "ADDED", object: { kind: "Pod", metadata, spec: rest } };
      const short = cut(JSON.stringify(event));
      const left = short === undefined ? undefined : parsed(short);
      if (left === undefined) return;
      cuts++;
      const { managedFields: _, ...kept } = metadata;
      expect(left).toEqual(JSON.parse(JSON.stringify({ ...event, object: { ...event.object, metadata: kept } })));
    }),
    { numRuns: 4000 },
  );
  expect(cuts).toBeGreaterThan(500);
});

import { expect, test } from "bun:test";
import { fieldsText, unknownFieldsText } from "./strict.ts";

/** As the server refuses a patch: with all that the resource would be. */
const patch = (what: string): string =>
  `"" is invalid: patch: Invalid value: "${'{\\"a\\":\\"strict decoding error: \\"}'.repeat(200)}": strict decoding error: ${what}`;

test.each<[string, string | undefined]>([
  [
    'unknown field "spec.upgrade.maxUnavailabel"',
    'unknown field "spec.upgrade.maxUnavailabel": did you mean maxUnavailable?',
  ],
  [
    'unknown field "spec.onload.kernelMappings[1].regex", unknown field "spec.selektor"',
    'unknown field "spec.onload.kernelMappings[1].regex": did you mean regexp?; unknown field "spec.selektor": did you mean selector?',
  ],
  ['unknown field "spec.onload.something"', 'unknown field "spec.onload.something"'],
  ['unknown field "sepc"', 'unknown field "sepc": did you mean spec?'],
  ['unknown field "metadata.lables"', 'unknown field "metadata.lables"'],
  ['unknown field "spec.nothing.at.all"', 'unknown field "spec.nothing.at.all"'],
  ['duplicate field "spec.onload"', 'duplicate field "spec.onload"'],
  ["something new\u001b[2J", "something new [2J"],
])("%s", (what, expected) => {
  expect(fieldsText(patch(what))).toBe(expected!);
  expect(fieldsText(`Onload in version "v1alpha1" cannot be handled as a Onload: strict decoding error: ${what}`)).toBe(
    expected!,
  );
});

test("another refusal is not about fields", () => {
  expect(fieldsText('Onload "o" is invalid: spec.selector: Required value')).toBeUndefined();
});

test("so is a field that is refused when it was applied server-side", () => {
  const detail =
    "failed to create typed patch object (ns/o; onload.amd.com/v1alpha1, Kind=Onload): .spec.upgrade.maxUnavailabel: field not declared in schema";
  expect(fieldsText(detail)).toBe('unknown field "spec.upgrade.maxUnavailabel": did you mean maxUnavailable?');
});

test("fields that the CRD does not have are found without the server", () => {
  const onload = { version: "1", kernelMappings: [{ regexp: "a" }, { regex: "b", sfc: {} }] };
  const spec = { selector: { any: "label" }, onload, upgrade: { maxUnavailabel: 1, drain: { force: true } } };
  expect(unknownFieldsText(spec)).toBe(
    'unknown field "spec.onload.kernelMappings[1].regex": did you mean regexp?; unknown field "spec.upgrade.maxUnavailabel": did you mean maxUnavailable?',
  );
  expect(unknownFieldsText({ selector: { any: "label" }, onload: { kernelMappings: "no list" } })).toBeUndefined();
  expect(unknownFieldsText("none")).toBeUndefined();
});

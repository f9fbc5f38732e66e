import { expect, test } from "bun:test";
import { settingsIn } from "./settings.ts";

const environ = (...variables: string[]) => Buffer.from(variables.map((each) => `${each}\0`).join(""), "latin1");

test("numbers are kept, and of other values nothing but the name", () => {
  const found = settingsIn(
    environ("PATH=/bin", "EF_POLL_USEC=100000", "EF_NAME=secret", "EF_X=0x1f", "XEF_A=1", "EF_E="),
  );
  expect(found).toEqual({ EF_POLL_USEC: "100000", EF_NAME: null, EF_X: "0x1f", EF_E: null });
});

test("the first of one name counts", () => {
  expect(settingsIn(environ("EF_A=1", "EF_A=2"))).toEqual({ EF_A: "1" });
});

test("an empty environment has none", () => {
  expect(settingsIn(Buffer.alloc(0))).toEqual({});
  expect(settingsIn(Buffer.alloc(1000))).toEqual({});
});

test("hostile names and values are left out, and there is a bound", () => {
  const evil = ["EF_\u001b[2J=1", "EF_=1", "EF_A B=1", `EF_${"A".repeat(100)}=1`, "EF_NOTHING", "EF___proto__=1"];
  expect(settingsIn(environ(...evil))).toEqual({ EF___proto__: "1" });
  const many = settingsIn(environ(...Array.from({ length: 100_000 }, (_, i) => `EF_${i}=1`)));
  expect(Object.keys(many)).toHaveLength(64);
  expect(settingsIn(environ(`EF_LONG=${"1".repeat(100_000)}`))).toEqual({ EF_LONG: null });
});

test("a variable that was cut is left out", () => {
  expect(settingsIn(Buffer.from("EF_A=1\0EF_POLL_USEC=1000"))).toEqual({ EF_A: "1" });
});

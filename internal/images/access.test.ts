import { describe, expect, test } from "bun:test";
import { reach, registryOf } from "./access.ts";

describe("a registry may lack TLS", () => {
  const named = { insecure: ["r.example", "r.example:5000"] };
  const rows: Record<string, [string, boolean]> = {
    "on localhost": ["localhost:5000/x:1", true],
    "on 127.0.0.1": ["127.0.0.1:5000/x/y:1", true],
    "on ::1": ["[::1]:5000/x:1", true],
    "if it is named": ["r.example/x:1", true],
    "if it is named with its port": ["r.example:5000/x@sha256:ab", true],
    "but not on another port": ["r.example:5001/x:1", false],
    "but not another": ["registry.redhat.io/ubi9/ubi-micro:1", false],
    "but not one that begins alike": ["localhost.example:5000/x:1", false],
    "but not one that ends alike": ["my.r.example/x:1", false],
    "but not because a path says so": ["evil.example/localhost:5000/x", false],
    "but not on the network": ["10.0.0.1:5000/x:1", false],
    "but not a short name's": ["debian:12", false],
    "but not a short name with a path": ["library/debian", false],
  };
  for (const [name, [image, insecure]] of Object.entries(rows)) {
    test(name, () => expect(reach(named, image)).toEqual({ authfile: undefined, insecure }));
  }
});

test("the credentials file is for all", () => expect(reach({ authfile: "/a" }, "r/x").authfile).toBe("/a"));

test("registryOf", () => {
  expect(["r.example/a:1", "localhost/a", "a/b", "a:1"].map(registryOf)).toEqual([
    "r.example",
    "localhost",
    undefined,
    undefined,
  ]);
});

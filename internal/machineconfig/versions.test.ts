import { expect, test } from "bun:test";
import { UsageError } from "../cli/errors.ts";
import { DEFAULT_OPENSHIFT_VERSION, targetOf } from "./versions.ts";

test.each([
  ["4.10", "4.10.0", "3.2.0"],
  ["4.12.0", "4.12.0", "3.2.0"],
  ["4.13.44", "4.13.0", "3.2.0"],
  ["4.14.0", "4.14.0", "3.4.0"],
  ["v4.14.3", "4.14.0", "3.4.0"],
  ["4.16.0-rc.3", "4.16.0", "3.4.0"],
  ["4.10.0-0.okd-2022-03-07-131213", "4.10.0", "3.2.0"],
  ["4.18", "4.18.0", "3.4.0"],
  ["4.19.2", "4.19.0", "3.5.0"],
  ["4.22", "4.22.0", "3.5.0"],
])("OpenShift %s is Butane %s and Ignition %s", (version, butane, ignition) => {
  expect(targetOf(version)).toEqual({ butane, ignition });
});

test.each(["4.23", "4.100.0", "5.0"])(
  "OpenShift %s gets what the newest known version takes, and says so",
  (version) => {
    const { note, ...target } = targetOf(version);
    expect(target).toEqual(targetOf("4.22"));
    expect(note).toStartWith(`OpenShift ${version.split(".").slice(0, 2).join(".")} is newer`);
  },
);

test("the default is taken by 4.10 to 4.13", () => {
  for (const version of ["4.10", "4.11", "4.12", "4.13"]) {
    expect(targetOf(version).ignition).toBe(targetOf(DEFAULT_OPENSHIFT_VERSION).ignition);
  }
});

test.each(["4.9", "4.9.99", "3.11", "", "4", "4.x", "vv4.14", "4.14.0.0", "v4.9.1", " 4.14", "4.14\n"])(
  "%p is refused",
  (version) => {
    expect(() => targetOf(version)).toThrow(UsageError);
    expect(() => targetOf(version)).toThrow("Flag --openshift-version cannot be");
  },
);

import { expect, test } from "bun:test";
import { parseOpenShiftVersion } from "./openshift-version.ts";

test.each([
  ["4.14", 4, 14, "4.14"],
  ["v4.14", 4, 14, "4.14"],
  ["v4.14.3", 4, 14, "4.14.3"],
  ["4.16.0-rc.3", 4, 16, "4.16.0-rc.3"],
  ["4.16.0-ec.5", 4, 16, "4.16.0-ec.5"],
  ["4.17.0-0.nightly-2024-08-01-000000", 4, 17, "4.17.0-0.nightly-2024-08-01-000000"],
  ["4.18.0-0.nightly-arm64-2025-01-01-000000", 4, 18, "4.18.0-0.nightly-arm64-2025-01-01-000000"],
  ["4.15.0-202403.p0.gabcdef1.assembly.stream.el9-abc", 4, 15, "4.15.0-202403.p0.gabcdef1.assembly.stream.el9-abc"],
  ["4.10.0-0.okd-2022-03-07-131213", 4, 10, "4.10.0-0.okd-2022-03-07-131213"],
  ["4.17.0-okd-scos.0", 4, 17, "4.17.0-okd-scos.0"],
  ["4.13.0+build.1", 4, 13, "4.13.0+build.1"],
])("%s", (text, major, minor, release) => {
  expect(parseOpenShiftVersion(text)).toEqual({ major, minor, release });
});

test.each([
  "",
  "4",
  "4.x",
  "vv4.14",
  "4.14.0.0",
  "4.14-",
  "4.14.0-",
  "4.14.0-rc 1",
  " 4.14",
  "4.14\n",
  "-4.14",
  "4.14.0;x",
  "latest",
])("%j is none", (text) => {
  expect(parseOpenShiftVersion(text)).toBeUndefined();
});

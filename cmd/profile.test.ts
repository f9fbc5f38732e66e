import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse } from "yaml";
import { run } from "../internal/testcluster/lib/command.ts";
import { checkout } from "../internal/testcluster/lib/paths.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "onloadctl-profile-"));
  const files: Record<string, string> = {
    "quick.opf":
      'onload_set EF_POLL_USEC 100000\nonload_import base\nworkers=4\nonload_set EF_CLUSTER_SIZE "$workers"\n',
    "base.opf-fragment": "onload_set MY_MODE 1\nonload_set EF_NO_FAIL 0\n",
    "nic_speed.opf": 'if [ -z "$EF_CTPIO_MODE" ]; then\n  onload_set EF_CTPIO_MODE "$(cat /mode)"\nfi\n',
    "odd.opf": "onload_set EF_POL_USEC 1\n",
  };
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const call = (...args: string[]) =>
  run([process.execPath, join(checkout, "cmd/onloadctl.ts"), "profile", ...args], { cwd: folder, allowFailure: true });

test("list shows what converts, and why the rest does not", async () => {
  const { code, stdout } = await call("list", "--profile-dir=.");
  expect(code).toBe(0);
  expect(stdout).toBe(
    [
      "NAME        SETTINGS   PROBLEM",
      "nic_speed   -          nic_speed.opf:2: it runs a program ($( )); --set EF_CTPIO_MODE=VALUE passes over it",
      "odd         1          -",
      "quick       3          -",
      "",
    ].join("\n"),
  );
});

test("show says where each variable is set", async () => {
  const { code, stdout } = await call("show", "quick", "--profile-dir=.", "--set=EF_NO_FAIL=1");
  expect(code).toBe(0);
  expect(stdout).toBe(
    [
      "NAME              VALUE    FROM",
      "EF_NO_FAIL        1        --set",
      "EF_POLL_USEC      100000   quick.opf:1",
      "MY_MODE           1        base.opf-fragment:1",
      "EF_CLUSTER_SIZE   4        quick.opf:4",
      "",
    ].join("\n"),
  );
});

describe("convert", () => {
  test("prints a ConfigMap with Onload's variables, as strings, and says what it left out", async () => {
    const { code, stdout, stderr } = await call("convert", "./quick.opf", "-n", "trading");
    expect(code).toBe(0);
    expect(parse(stdout)).toEqual({
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: {
        name: "onload-quick-profile",
        namespace: "trading",
        labels: { "app.kubernetes.io/part-of": "onload" },
      },
      data: { EF_POLL_USEC: "100000", EF_NO_FAIL: "0", EF_CLUSTER_SIZE: "4" },
    });
    expect(stderr).toContain("MY_MODE");
    expect(stderr.trim().split("\n")).toHaveLength(1);
  });

  test("goes on with what a profile would look for", async () => {
    const { code, stdout } = await call("convert", "nic_speed.opf", "--set", "EF_CTPIO_MODE=ct");
    expect(code).toBe(0);
    expect(parse(stdout)).toMatchObject({
      metadata: { name: "onload-nic-speed-profile" },
      data: { EF_CTPIO_MODE: "ct" },
    });
  });

  test("refuses a profile that looks for something, with the place and what to do, and prints nothing", async () => {
    const { code, stdout, stderr } = await call("convert", "nic_speed.opf");
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toStartWith(
      "Cannot convert nic_speed.opf:2: it runs a program ($( )); --set EF_CTPIO_MODE=VALUE passes over it",
    );
  });

  test("warns of what Onload does not know", async () => {
    const { code, stderr } = await call("convert", "odd.opf", "--log-format=text");
    expect(code).toBe(0);
    expect(stderr).toContain("did you mean EF_POLL_USEC?");
  });
});

test("check ends with 1 if something is wrong, and says what", async () => {
  expect(await call("check", "quick.opf")).toMatchObject({ code: 0, stdout: "" });
  const { code, stdout } = await call("check", "odd.opf");
  expect({ code, stdout }).toEqual({
    code: 1,
    stdout: "NAME          PROBLEM\nEF_POL_USEC   Onload does not know it: did you mean EF_POLL_USEC?\n",
  });
});

describe("bad input is one line and exit code 2", () => {
  const cases: Record<string, [string[], string]> = {
    "no profile": [["convert"], "Argument NAME|FILE.opf is missing"],
    "an unknown profile": [["show", "quik", "--profile-dir=."], 'Unknown profile "quik" in .: did you mean quick?'],
    "a setting that is none": [["show", "quick.opf", "--set=EF_X"], 'Flag --set cannot be "EF_X": give NAME=VALUE'],
    "a variable of the shell": [["show", "quick.opf", "--set=PATH=/x"], 'Flag --set cannot be "PATH=/x"'],
    "a name that no ConfigMap has": [["convert", "quick.opf", "--name=A_B"], 'A ConfigMap cannot have the name "A_B"'],
  };
  for (const [name, [args, message]] of Object.entries(cases)) {
    test(name, async () => {
      const { code, stdout, stderr } = await call(...args);
      expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
      expect(stderr).toStartWith(message);
      expect(stderr.trim().split("\n")).toHaveLength(1);
    });
  }
});

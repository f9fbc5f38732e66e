import { describe, expect, test } from "bun:test";
import { DOCKERFILES } from "./dockerfile.ts";
import { diagnose, lastLines } from "./diagnose.ts";

describe("diagnose", () => {
  const rows: Record<string, [string, string]> = {
    "disk full": ["write /var/tmp/x: no space left on device", "the disk is full"],
    "headers missing": [
      "E: x\nonloadctl: no headers for kernel 6.1.0-1-amd64 in the builder image\nmake: *** no rule",
      "headers for kernel 6.1.0-1-amd64",
    ],
    "headers missing, with a prefix": [
      "#9 0.4 onloadctl: no headers for kernel 5.14.0 in the builder image",
      "headers for kernel 5.14.0",
    ],
    "module base without modprobe": [
      "onloadctl: the module base image lacks modprobe and has no way to install it",
      "the module base image lacks modprobe",
    ],
    "no entitlement": [
      "This system is not registered with an entitlement server. You can use subscription-manager to register.",
      "entitlement",
    ],
    "base not pulled, podman": [
      "Error: creating build container: initializing source docker://quay.io/x:1: reading manifest 1 in quay.io/x: manifest unknown",
      "base image",
    ],
    "base not pulled, docker": ["ERROR: pull access denied for x, repository does not exist", "base image"],
    "registry without TLS": [
      "pinging container registry 10.0.0.1:5000: http: server gave HTTP response to HTTPS client",
      "no TLS",
    ],
    "unknown certificate": [
      "tls: failed to verify certificate: x509: certificate signed by unknown authority",
      "certificate is not trusted",
    ],
    "login refused": ["unauthorized: authentication required", "refuses the login"],
    "registry down": ['Get "https://r/v2/": dial tcp 127.0.0.1:1: connect: connection refused', "cannot be reached"],
    "name unknown": ["Temporary failure resolving 'mirror.example.com'", "cannot be reached"],
    "foreign platform": ["exec /bin/sh: exec format error", "cannot run programs of the wanted platform"],
    "docker not running": [
      "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?",
      "the engine is not running",
    ],
    "no containers allowed": [
      "Error during unshare(CLONE_NEWUSER): Operation not permitted",
      "may not make containers",
    ],
    "out of memory": [
      "c++: fatal error: Killed signal terminated program cc1plus\ncc1plus: fatal error: Killed",
      "lack of memory",
    ],
    "program missing": ["scripts/onload_build: line 9: gawk: command not found", "lacks the program gawk"],
    "program missing, dash": ["/bin/sh: 1: make: not found", "lacks the program make"],
  };
  for (const [name, [output, cause]] of Object.entries(rows)) {
    test(name, () => {
      const found = diagnose(output);
      expect(found?.cause).toContain(cause);
      expect(found?.remedy).not.toBe("");
    });
  }

  test("what went wrong long before the end is not the cause", () => {
    const compiling = "  CC [M] onload.o\n".repeat(100);
    expect(diagnose(`Temporary failure resolving 'mirror.example.com'\n${compiling}`)).toBeUndefined();
    expect(diagnose(`onloadctl: no headers for kernel 6.1 in the builder image\n${compiling}`)?.cause).toContain("6.1");
  });

  test("what a Dockerfile may say is not taken for said, when an engine prints the commands of a step", () => {
    const step = (text: string): string => `[2/3] STEP 4/12: RUN set -eu; ${text.replaceAll("\\\n", "")}`;
    for (const dockerfile of Object.values(DOCKERFILES)) expect(diagnose(step(dockerfile))).toBeUndefined();
  });

  test("nothing known", () => expect(diagnose("onload.c:3: error: expected ;")).toBeUndefined());
});

test("lastLines leaves out empty ones", () => expect(lastLines("a\n\nb\n  \nc\n", 2)).toEqual(["b", "c"]));

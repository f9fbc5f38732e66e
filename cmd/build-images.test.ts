import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { DOCKERFILES } from "../internal/images/dockerfile.ts";

const main = join(import.meta.dirname, "onloadctl.ts");

async function buildImages(
  args: string[],
  env: Record<string, string> = {},
): Promise<{ code: number; out: string; err: string }> {
  const child = Bun.spawn([process.execPath, main, "build-images", ...args], {
    env: { ...process.env, ...env },
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, err, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { code, out, err };
}

test("every Dockerfile can be printed, and replaced", async () => {
  expect(await buildImages(["user", "--print-dockerfile"])).toEqual({ code: 0, out: DOCKERFILES.user, err: "" });
  const own = join(import.meta.dirname, "../internal/images/dockerfiles/source.Dockerfile");
  expect((await buildImages(["user", "--print-dockerfile", `--dockerfile=user=${own}`])).out).toBe(DOCKERFILES.source);
});

test("whoever lets the cluster build is told which logins it has there", async () => {
  const { code, out, err } = await buildImages(["module", "--configmap"]);
  expect({ code, isYaml: out.startsWith("apiVersion: v1\nkind: ConfigMap\n") }).toEqual({ code: 0, isYaml: true });
  expect(err).toContain("spec.imagePullSecrets replaces the logins that builds have by themselves");
});

describe("a wrong command line is one line and exit code 2", () => {
  const rows: Record<string, [string[], string]> = {
    "nothing to build from": [["all"], "Onload's source is missing: give --onload=PATH or --source-image=IMAGE"],
    "an unknown image": [
      ["modules"],
      'Unknown image "modules": use one of source, user, module, onloadctl, all, or verify',
    ],
    "an unknown engine": [
      ["user", "--engine=rkt"],
      'Flag --engine cannot be "rkt": use one of podman, docker, buildah',
    ],
    "a misspelt flag": [["user", "--onlaod=x"], "Unknown flag --onlaod: did you mean --onload?"],
    "a Dockerfile that is not there": [
      ["user", "--print-dockerfile", "--dockerfile=user=/none"],
      "Cannot read the Dockerfile /none: no such file or directory",
    ],
    "a ConfigMap of something else": [["user", "--configmap"], "Only modules are built inside the cluster"],
    "nothing to verify": [["verify"], "Argument IMAGE is missing"],
  };
  for (const [name, [args, expected]] of Object.entries(rows)) {
    test(name, async () => {
      const { code, out, err } = await buildImages(args);
      expect(err).toStartWith(expected);
      expect({ code, out, lines: err.trimEnd().split("\n").length }).toEqual({ code: 2, out: "", lines: 1 });
    });
  }
});

describe("what the world refuses is one line and exit code 1", () => {
  test("no engine", async () => {
    const { code, err } = await buildImages(["source", `--onload=${import.meta.dirname}`], { PATH: "/nonexistent" });
    expect({ code, err }).toEqual({
      code: 1,
      err: "Cannot use a container engine (podman: not installed; docker: not installed; buildah: not installed): install podman, docker or buildah, or start the one there is\n",
    });
  });

  test("not an Onload tree", async () => {
    const { code, err } = await buildImages([
      "source",
      `--onload=${import.meta.dirname}`,
      "--engine=podman",
      "--dry-run",
    ]);
    expect(code).toBe(1);
    expect(err).toEndWith(
      `Cannot use ${import.meta.dirname}: it is not an Onload tree, it has no scripts/onload_build\n`,
    );
  });
});

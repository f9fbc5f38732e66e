import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { dryRunScript } from "./commands.ts";
import { labelInstruction } from "./dockerfile.ts";
import { engineCommands, type EngineName, type LocalImage } from "./engine.ts";
import { makePlan, type Observed, type Request } from "./plan.ts";
import { processRunner } from "./runner.ts";
import type { Source } from "./source.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "commands-test-"));
});
afterAll(() => rm(folder, { recursive: true }));

const source: Source = {
  kind: "checkout",
  location: "/home/u/my onload",
  product: "onload",
  brand: "OpenOnload",
  version: "9.1.0",
  revision: "ef17681",
  digest: "sha256:aa",
};
const request: Request = {
  parts: ["source", "user", "module"],
  registry: "r.example",
  kernels: [{ version: "6.1.0", builder: "debian:12" }],
  bases: {},
  buildParams: "--debug --no-sfc",
  strip: true,
  buildArgs: [],
  noCache: false,
  dockerfiles: {},
  cores: 4,
};

function script(engine: EngineName, change: Partial<Observed> = {}): string {
  const observed: Observed = { source, images: new Map(), now: new Date(0), ...change };
  const options = {
    engine: engineCommands(engine, true),
    registry: {},
    source: observed.source,
    push: true,
    missing: ["debian:12"],
  };
  return dryRunScript(makePlan(request, observed), request, options);
}

/** The lines of a script that call `program`. */
function calls(text: string, program: string): string[] {
  return text.split("\n").filter((line) => line.startsWith(`${program} `));
}

describe("a dry run", () => {
  test("with docker names the source image in passing, because its FROM takes no ID", () => {
    expect(calls(script("docker"), "docker")).toEqual([
      "docker pull --quiet debian:12",
      'docker build --progress=plain --file="$work"/source.Dockerfile --iidfile="$work"/source.iid --tag onloadctl-stage/source:dry-run "$work"/tree',
      `docker build --progress=plain --file="$work"/user.Dockerfile --iidfile="$work"/user.iid --build-arg ONLOAD_SOURCE=onloadctl-stage/source:dry-run --build-arg BUILDER_IMAGE=registry.access.redhat.com/ubi9/ubi-minimal --build-arg USER_BASE=registry.access.redhat.com/ubi9/ubi-micro --build-arg 'ONLOAD_BUILD_PARAMS=--debug --no-sfc' --build-arg JOBS=2 "$work"/empty`,
      `docker build --progress=plain --file="$work"/module-6.1.0.Dockerfile --iidfile="$work"/module-6.1.0.iid --build-arg ONLOAD_SOURCE=onloadctl-stage/source:dry-run --build-arg DTK_AUTO=debian:12 --build-arg BUILDER_IMAGE=debian:12 --build-arg MODULE_BASE=registry.access.redhat.com/ubi9/ubi-minimal --build-arg KERNEL_FULL_VERSION=6.1.0 --build-arg 'ONLOAD_BUILD_PARAMS=--debug --no-sfc' --build-arg JOBS=2 "$work"/empty`,
      'docker tag "$image_id" r.example/onload-source:9.1.0',
      'docker tag "$image_id" r.example/onload-user:9.1.0',
      'docker tag "$image_id" r.example/onload-module:9.1.0-6.1.0',
      "docker rmi --no-prune onloadctl-stage/source:dry-run",
      "docker push r.example/onload-source:9.1.0",
      "docker push r.example/onload-user:9.1.0",
      "docker push r.example/onload-module:9.1.0-6.1.0",
    ]);
    expect(script("docker")).toContain("export DOCKER_BUILDKIT=1\n");
  });

  test("with podman hands the source image on by its ID", () => {
    expect(calls(script("podman"), "podman")[2]).toContain('--build-arg ONLOAD_SOURCE="$source_id"');
  });

  test("makes and unpacks a release of a checkout, wherever it lies", () => {
    const text = script("podman");
    expect(text).toContain(
      `(cd "$work" && '/home/u/my onload/scripts/onload_mkdist' --output-vars --version 9.1.0 --srcrev ef17681)`,
    );
    expect(text).toContain('tar -xzf "$work"/onload-9.1.0.tgz -C "$work"/tree --strip-components=1 --no-same-owner');
  });

  test("says what stays", () => {
    const first = makePlan(request, { source, images: new Map(), now: new Date(0) });
    const images = new Map<string, LocalImage>(
      first.images.map(({ tag, labels }) => [
        tag,
        {
          id: "0123456789abcdef",
          architecture: "amd64",
          os: "linux",
          labels: Object.fromEntries(labels),
          env: [],
          user: "",
          size: 1,
          digests: [],
        },
      ]),
    );
    const text = script("podman", { images });
    expect(text.match(/# Nothing has changed: image 0123456789ab stays/g)).toHaveLength(3);
    expect(calls(text, "podman").filter((line) => line.includes("build"))).toEqual([]);
  });

  test("is a script that a shell understands, with every engine", async () => {
    for (const engine of ["podman", "docker", "buildah"] as const) {
      const path = join(folder, `${engine}.sh`);
      await Bun.write(path, script(engine));
      expect(await processRunner.run(["sh", "-n", path])).toMatchObject({ code: 0, output: "" });
    }
  });
});

describe("a dry run's script takes for data", () => {
  const evil = "$(touch evil)`touch evil`'; touch evil; '";
  const podman =
    '#!/bin/sh\ncat /proc/$$/cmdline >>record\nfor word; do case $word in --iidfile=*) echo sha256:ab >"${word#*=}"; esac; done\n';

  /** Runs the script with stubs for all programs of the outside, and returns the words that podman got. */
  async function run(name: string, text: string, mkdist: string): Promise<string[]> {
    const root = join(folder, name);
    const stubs: Record<string, string> = { "bin/podman": podman, "bin/tar": "#!/bin/sh\n", [mkdist]: "#!/bin/sh\n" };
    for (const [path, content] of Object.entries(stubs)) {
      await mkdir(dirname(join(root, path)), { recursive: true });
      await writeFile(join(root, path), content, { mode: 0o755 });
    }
    await writeFile(join(root, "script"), text);
    const env = { PATH: `${root}/bin:${process.env["PATH"]}`, TMPDIR: root };
    expect(await processRunner.run(["sh", "script"], { cwd: root, env })).toMatchObject({ code: 0, output: "" });
    for await (const file of new Bun.Glob("**").scan({ cwd: root, dot: true })) expect(file).not.toEndWith("evil");
    // Onload's unpacked tree is large.
    expect((await readdir(root)).filter((name) => name.startsWith("tmp."))).toEqual([]);
    return (await readFile(join(root, "record"), "utf8")).split("\0");
  }

  test("a folder's name, a revision, labels, build arguments and base images", async () => {
    const location = join(folder, "hostile", `tree${evil}`);
    const hostile: Observed = {
      source: { ...source, location, brand: evil, product: evil, revision: evil },
      images: new Map(),
      now: new Date(0),
    };
    const asked: Request = {
      ...request,
      buildArgs: [["X", evil]],
      bases: { user: `base${evil}` },
      dockerfiles: { user: `ARG USER_BASE\nFROM $USER_BASE\nEND\ntouch evil\n` },
    };
    const engine = { ...engineCommands("podman", true), env: { A: evil } };
    const text = dryRunScript(makePlan(asked, hostile), asked, {
      engine,
      registry: { authfile: `/auth${evil}` },
      source: hostile.source,
      push: true,
      missing: [`base${evil}`],
    });
    const words = await run("hostile", text, `tree${evil}/scripts/onload_mkdist`);
    for (const word of [`X=${evil}`, `base${evil}`, `USER_BASE=base${evil}`, `/auth${evil}`, "ONLOAD_SOURCE=ab"])
      expect(words).toContain(word);
  });

  test("what looks like its own variables", async () => {
    const asked: Request = { ...request, buildArgs: [["X", "$work/$source_id $(cut -d: -f2 $work/source.iid)"]] };
    const observed: Observed = { source, images: new Map(), now: new Date(0) };
    const location = join(folder, "variables");
    const options = { engine: engineCommands("podman", true), registry: {}, push: false, missing: [] };
    const here: Observed = { ...observed, source: { ...source, location } };
    const text = dryRunScript(makePlan(asked, here), asked, { ...options, source: here.source });
    const words = await run("variables", text, "scripts/onload_mkdist");
    expect(words).toContain("X=$work/$source_id $(cut -d: -f2 $work/source.iid)");
  });
});

test("labels cannot hold what begins a new instruction", () => {
  for (const value of ["x\nRUN touch evil", "x\rRUN y", "\u2028", "\0", "\u001b[2J", "\u0085"])
    expect(() => labelInstruction([["brand", value]])).toThrow("Cannot set the label brand to");
});

test("labels have an end", () => {
  const reason = "Cannot set the label brand: it has more than 4096 characters";
  expect(() => labelInstruction([["brand", "x".repeat(900_000)]])).toThrow(reason);
  expect(labelInstruction([["brand", "x".repeat(4096)]])).toEndWith(`x"`);
});

test("labels keep quotes, backslashes and dollars", () => {
  expect(
    labelInstruction([
      ["a", 'x"y'],
      ["b", "$HOME\\n"],
    ]),
  ).toBe('LABEL a="x\\"y" b="\\$HOME\\\\n"');
});

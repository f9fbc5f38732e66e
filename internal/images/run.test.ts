import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { pack } from "tar-stream";
import { takeLock } from "./lock.ts";
import { createProgress } from "./progress.ts";
import { buildImages, type BuildOptions, type RunDeps } from "./run.ts";
import { processRunner, type Runner, type RunResult } from "./runner.ts";

/**
 * No docker engine runs here. What onloadctl asks of one is recorded, and answered as docker does; podman and buildah
 * are real in images.host.test.ts.
 */
class Docker implements Runner {
  readonly calls: string[] = [];
  /** The builder that somebody has made the default one; undefined if it is that of the engine. */
  builder: string | undefined;
  /** Whether the builder of the engine is not what its name says. */
  hidden = false;
  /** Image ID of what each build made, by its place. */
  #built = 0;
  #fail: string | undefined;

  constructor(fail?: string) {
    this.#fail = fail;
  }

  async run(command: readonly string[], options: Parameters<Runner["run"]>[1] = {}): Promise<RunResult> {
    if (command[0] !== "docker") return await processRunner.run(command, options);
    options.signal?.throwIfAborted();
    const call = command.join(" ");
    this.calls.push(call);
    const answer = (stdout: string, code = 0): RunResult => ({ code, stdout, output: stdout });
    if (this.#fail !== undefined && call.includes(this.#fail)) {
      options.onLine?.("no space left on device");
      return answer("no space left on device", 1);
    }
    switch (command[1]) {
      case "build": {
        const file = command.find((word) => word.startsWith("--iidfile="))!.slice("--iidfile=".length);
        // A builder in a container of its own leaves the image there, and the file empty (docker/buildx issue 1712).
        const builder = options.env?.["BUILDX_BUILDER"] ?? this.builder ?? "desk";
        await writeFile(file, builder === "desk" && !this.hidden ? `sha256:built${++this.#built}` : "");
        return answer("");
      }
      case "image":
        return this.#inspect(command[3]!, answer);
      case "create":
        return answer(`container-${command[2]}\n`);
      case "context":
        return answer("desk\n");
      case "push":
        return answer(`9.1.0: digest: sha256:${"1".repeat(64)} size: 1\n`);
      default:
        return answer("");
    }
  }

  async read<T>(command: readonly string[], read: (stdout: Readable) => Promise<T>): Promise<T> {
    this.calls.push(command.join(" "));
    const tar = pack();
    const names =
      command[2] === "container-built1"
        ? ["scripts/onload_build", "scripts/onload_install"]
        : ["opt/onload/usr/lib64/libonload.so", "opt/onload/sbin/onload_cp_server"];
    for (const name of names) tar.entry({ name }, "x");
    tar.finalize();
    return await read(tar as unknown as Readable);
  }

  #inspect(name: string, answer: (stdout: string, code?: number) => RunResult): RunResult {
    if (!name.startsWith("built") && !name.startsWith("base")) return answer("No such image", 1);
    return answer(JSON.stringify([{ Id: `sha256:${name}`, Architecture: "amd64", Os: "linux", Size: 1, Config: {} }]));
  }
}

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "run-test-"));
});
afterAll(() => rm(folder, { recursive: true }));

const options: BuildOptions = {
  parts: ["source", "user"],
  registry: "r.example",
  engine: "docker",
  onload: join(import.meta.dirname, "testdata/onload-tree"),
  kernels: [],
  openshiftVersions: [],
  toolkitImages: [],
  builder: "base-builder",
  bases: { user: "base-user" },
  buildParams: "",
  strip: true,
  buildArgs: [],
  noCache: false,
  dockerfiles: {},
  cores: 2,
  access: {},
  push: false,
  force: false,
  dryRun: false,
};

function deps(runner: Runner, signal: AbortSignal = new AbortController().signal): RunDeps & { told: string[] } {
  const told: string[] = [];
  const progress = createProgress({ write: (text: string) => told.push(text) });
  return { runner, progress, signal, version: "0.1.0", cache: join(folder, "cache"), root: true, now: Date.now, told };
}

/** Calls by their first words. */
function verbs(docker: Docker): string[] {
  return docker.calls.map((call) => call.split(" ").slice(1, 2).join(" ")).filter((verb) => verb !== "image");
}

describe("with docker", () => {
  test("names come after all builds and checks, and the passing name goes", async () => {
    const docker = new Docker();
    const result = await buildImages(options, deps(docker));
    if (typeof result === "string") throw new Error("a dry run");
    expect(result.images.map(({ tag, id }) => [tag, id])).toEqual([
      ["r.example/onload-source:9.1.0", "built1"],
      ["r.example/onload-user:9.1.0", "built2"],
    ]);
    const order = verbs(docker);
    expect(order.slice(0, 4)).toEqual(["context", "version", "build", "build"]);
    expect(order.lastIndexOf("export")).toBeLessThan(order.indexOf("tag"));
    expect(docker.calls.filter((call) => /^docker (tag|rmi)/.test(call))).toEqual([
      "docker tag built1 r.example/onload-source:9.1.0",
      "docker tag built2 r.example/onload-user:9.1.0",
      expect.stringMatching(/^docker rmi --no-prune onloadctl-stage\/source:/),
    ]);
    const [, second] = docker.calls.filter((call) => call.startsWith("docker build"));
    expect(second).toMatch(
      /--build-arg ONLOAD_SOURCE=onloadctl-stage\/source:\S+ --build-arg BUILDER_IMAGE=base-builder/,
    );
    expect(verbs(docker).filter((verb) => verb === "create")).toHaveLength(
      verbs(docker).filter((verb) => verb === "rm").length,
    );
  });

  test("a failed build leaves no name, says why, and keeps its log", async () => {
    const docker = new Docker("user.Dockerfile");
    const inner = deps(docker);
    await expect(buildImages(options, inner)).rejects.toThrow(
      /^Cannot build user: the disk is full; free space where .* \(log: .*\/build-logs\/.*\/user\.log\)$/,
    );
    expect(verbs(docker)).not.toContain("tag");
    expect(verbs(docker)).toContain("rmi");
    expect(inner.told.join("")).toContain("The last lines of user:\n  no space left on device");
    const [run] = await readdir(join(folder, "cache/build-logs"));
    const log = await Bun.file(join(folder, "cache/build-logs", run!, "user.log")).text();
    expect(log).toStartWith("$ docker build ");
    expect(log).toEndWith("no space left on device\n");
  });

  test("a step that hangs ends in time, says what it was doing, and clears up", async () => {
    const docker = new Docker();
    const inner = { ...deps(docker), stepMs: 1500 };
    const run = docker.run.bind(docker);
    docker.run = async (command, given) => {
      if (command[1] !== "build") return await run(command, given);
      const hangs = "echo '  CC [M] onload.o'; sleep 1000; echo cleared > cleared";
      return await processRunner.run(["sh", "-c", hangs], { ...given, cwd: folder });
    };
    await expect(buildImages(options, inner)).rejects.toThrow(
      /^Cannot build source: .* it has not ended within 1.5 s; the last that it said is "CC \[M\] onload.o"; if it is only slow, give it more time with --timeout \(log: .*source\.log\)$/,
    );
    expect(inner.told.join("")).toContain("The last lines of source:\n");
    expect(inner.told.join("")).toContain("CC [M] onload.o");
    expect(await readdir(folder)).toContain("cleared");
    expect(verbs(docker)).not.toContain("tag");
    expect(verbs(docker)).toContain("rmi");
  });

  test("a pull that hangs ends in time, and one that prints much is no answer", async () => {
    const docker = new Docker();
    const inner = { ...deps(docker), stepMs: 1000 };
    const run = docker.run.bind(docker);
    let script = "echo Pulling fs layer; sleep 1000";
    docker.run = async (command, given) =>
      await (command[1] === "pull" ? processRunner.run(["sh", "-c", script], given) : run(command, given));
    const unknown = { ...options, builder: "elsewhere" };
    await expect(buildImages(unknown, inner)).rejects.toThrow(
      /^Cannot pull elsewhere: .* it has not ended within 1 s; the last that it said is "Pulling fs layer"; if it is only slow, give it/,
    );
    script = "yes Downloading | head -c 5000000";
    await expect(buildImages(unknown, { ...inner, stepMs: 60_000 })).rejects.toThrow(
      "Cannot find elsewhere: docker pulled it and does not know it",
    );
  });

  test("an abort leaves no name and frees the lock", async () => {
    const stop = new AbortController();
    const docker = new Docker();
    const inner = deps(docker, stop.signal);
    const run = docker.run.bind(docker);
    docker.run = async (command, given) => {
      if (command[1] === "build") stop.abort(new DOMException("Stopped by SIGINT", "AbortError"));
      return await run(command, given);
    };
    await expect(buildImages(options, inner)).rejects.toThrow("Stopped by SIGINT");
    expect(verbs(docker)).not.toContain("tag");
    expect(verbs(docker)).toContain("rmi");
    const locks = (await readdir(join(folder, "cache"))).filter((name) => name.endsWith(".lock"));
    expect(locks).toHaveLength(1);
    await (
      await takeLock(join(folder, "cache", locks[0]!))
    )();
  });

  test("an image that does not pass its checks gets no name", async () => {
    const docker = new Docker();
    docker.read = async <T>(_command: readonly string[], read: (stdout: Readable) => Promise<T>): Promise<T> => {
      const tar = pack();
      tar.entry({ name: "scripts/onload_build" }, "x");
      tar.finalize();
      return await read(tar as unknown as Readable);
    };
    await expect(buildImages(options, deps(docker))).rejects.toThrow(
      "Cannot use the source image that was built: scripts/onload_install: missing",
    );
    expect(verbs(docker)).not.toContain("tag");
  });

  test("builds with the engine's own builder, whichever somebody has made the default", async () => {
    const docker = new Docker();
    docker.builder = "in-a-container";
    const result = await buildImages(options, deps(docker));
    expect(result).toMatchObject({ images: [{ id: "built1" }, { id: "built2" }] });
    const script = await buildImages({ ...options, dryRun: true }, deps(docker));
    expect(script).toContain("\nexport BUILDX_BUILDER=desk\n");
  });

  test("that leaves the image where docker does not have it is told what to do", async () => {
    const docker = new Docker();
    docker.hidden = true;
    await expect(buildImages(options, deps(docker))).rejects.toThrow(
      /^Cannot use source: docker built it and does not have it, .*docker-container.*; choose .*docker buildx use/,
    );
    expect(verbs(docker)).not.toContain("tag");
  });

  test("that does not run is one line", async () => {
    const docker = new Docker("docker version");
    await expect(buildImages(options, deps(docker))).rejects.toThrow(
      "Cannot use a container engine (docker: the disk is full): choose another with --engine",
    );
  });

  test("takes credentials only from a file named config.json", async () => {
    await expect(buildImages({ ...options, access: { authfile: "/a.json" } }, deps(new Docker()))).rejects.toThrow(
      "Cannot give /a.json to docker: it reads credentials only from a file named config.json",
    );
  });
});

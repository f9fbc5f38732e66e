import { describe, expect, test } from "bun:test";
import { bareId, digestInOutput, engineCommands, ENGINE_NAMES, type BuildSpec } from "./engine.ts";

const spec: BuildSpec = {
  dockerfile: "/w/user.Dockerfile",
  context: "/w/empty",
  iidfile: "/w/user.iid",
  args: [["ONLOAD_SOURCE", "abc"]],
};

describe("build", () => {
  const rows: Record<string, [(typeof ENGINE_NAMES)[number], Partial<BuildSpec>, object, string]> = {
    podman: [
      "podman",
      {},
      {},
      "podman build --force-rm --pull=false --file=/w/user.Dockerfile --iidfile=/w/user.iid --build-arg ONLOAD_SOURCE=abc /w/empty",
    ],
    "podman, all flags": [
      "podman",
      { platform: "linux/arm64", noCache: true },
      { authfile: "/a.json", insecure: true },
      "podman build --force-rm --pull=false --file=/w/user.Dockerfile --iidfile=/w/user.iid --platform linux/arm64 --no-cache --build-arg ONLOAD_SOURCE=abc --authfile /a.json /w/empty",
    ],
    buildah: [
      "buildah",
      {},
      {},
      "buildah build --layers --force-rm --pull=false --file=/w/user.Dockerfile --iidfile=/w/user.iid --build-arg ONLOAD_SOURCE=abc /w/empty",
    ],
    docker: [
      "docker",
      { stageTag: "onloadctl-stage/source:7", noCache: true },
      // docker takes neither: its client has its credentials from its folder, its daemon knows which registries lack TLS.
      { authfile: "/a/config.json", insecure: true },
      "docker build --progress=plain --file=/w/user.Dockerfile --iidfile=/w/user.iid --tag onloadctl-stage/source:7 --no-cache --build-arg ONLOAD_SOURCE=abc /w/empty",
    ],
  };
  for (const [name, [engine, change, registry, expected]] of Object.entries(rows)) {
    test(name, () => {
      expect(
        engineCommands(engine, true)
          .build({ ...spec, ...change }, registry)
          .join(" "),
      ).toBe(expected);
    });
  }
});

describe("the other commands", () => {
  const registry = { authfile: "/a.json", insecure: true };
  const rows: Record<(typeof ENGINE_NAMES)[number], Record<string, string>> = {
    podman: {
      probe: "podman info",
      pull: "podman pull --quiet --platform linux/arm64 --authfile /a.json --tls-verify=false r/i:1",
      tag: "podman tag abc r/i:1",
      push: "podman push --authfile /a.json --tls-verify=false --digestfile /w/d r/i:1",
      inspect: "podman image inspect r/i:1",
      create: "podman create --pull=never r/i:1 /none",
      exportTar: 'sh -c podman export "$1" | cat sh c1',
      remove: "podman rm --force c1",
    },
    docker: {
      probe: "docker version --format {{.Server.Version}}",
      pull: "docker pull --quiet --platform linux/arm64 r/i:1",
      tag: "docker tag abc r/i:1",
      push: "docker push r/i:1",
      inspect: "docker image inspect r/i:1",
      create: "docker create r/i:1 /none",
      exportTar: "docker export c1",
      remove: "docker rm --force c1",
    },
    buildah: {
      probe: "buildah info",
      pull: "buildah pull --quiet --platform linux/arm64 --authfile /a.json --tls-verify=false r/i:1",
      tag: "buildah tag abc r/i:1",
      push: "buildah push --authfile /a.json --tls-verify=false --digestfile /w/d r/i:1",
      inspect: "buildah inspect --type image r/i:1",
      create: "buildah from --pull-never r/i:1",
      exportTar: 'sh -c tar -C "$(buildah mount "$1")" -cf - . sh c1',
      remove: "buildah rm c1",
    },
  };
  for (const name of ENGINE_NAMES) {
    test(name, () => {
      const engine = engineCommands(name, true);
      const commands: Record<string, string[]> = {
        probe: engine.probe(),
        pull: engine.pull("r/i:1", registry, "linux/arm64"),
        tag: engine.tag("abc", "r/i:1"),
        push: engine.push("r/i:1", registry, "/w/d"),
        inspect: engine.inspect("r/i:1"),
        create: engine.create("r/i:1"),
        exportTar: engine.exportTar("c1"),
        remove: engine.remove("c1"),
      };
      expect(Object.fromEntries(Object.entries(commands).map(([key, words]) => [key, words.join(" ")]))).toEqual(
        rows[name],
      );
    });
  }

  test("buildah enters its user namespace to mount when it is not root", () => {
    expect(engineCommands("buildah", false).exportTar("c1").slice(0, 3)).toEqual(["buildah", "unshare", "sh"]);
  });

  test("only docker needs a passing tag for images that others are built from", () => {
    expect(ENGINE_NAMES.filter((name) => engineCommands(name, true).unstage !== undefined)).toEqual(["docker"]);
    expect(engineCommands("docker", true).unstage?.("s:1")).toEqual(["docker", "rmi", "--no-prune", "s:1"]);
  });
});

describe("parseInspect", () => {
  const expected = {
    id: "ab12",
    architecture: "amd64",
    os: "linux",
    labels: { a: "b" },
    env: ["P=/"],
    user: "1001",
    size: 30,
    digests: [] as string[],
  };

  test("podman and docker", () => {
    const config = { Labels: { a: "b" }, Env: ["P=/"], User: "1001" };
    const answer = [{ Id: "sha256:ab12", Architecture: "amd64", Os: "linux", Size: 30, Config: config }];
    for (const name of ["podman", "docker"] as const) {
      expect(engineCommands(name, true).parseInspect(JSON.stringify(answer))).toEqual(expected);
    }
  });

  test("podman and docker know digests, some of them twice", () => {
    const [a, b] = ["a", "b"].map((digit) => `sha256:${digit.repeat(64)}`);
    const names = [`r/x@${a}`, `other/x@${a}`, `r/x@${b}`, "r/x@sha256:../../admin"];
    const answer = [{ Id: "ab12", Architecture: "amd64", Os: "linux", Size: 30, Digest: a, RepoDigests: names }];
    expect(engineCommands("podman", true).parseInspect(JSON.stringify(answer))).toMatchObject({
      digests: [a, b],
      ownDigest: a,
    });
  });

  test("an image without configuration", () => {
    const answer = [{ Id: "ab12", Architecture: "amd64", Os: "linux", Size: 30, Config: {} }];
    expect(engineCommands("podman", true).parseInspect(JSON.stringify(answer))).toEqual({
      ...expected,
      labels: {},
      env: [],
      user: "",
    });
  });

  test("buildah, whose size is that of the layers", () => {
    const answer = {
      FromImageID: "ab12",
      Manifest: JSON.stringify({ layers: [{ size: 10 }, { size: 20 }] }),
      OCIv1: { architecture: "amd64", os: "linux", config: { Labels: { a: "b" }, Env: ["P=/"], User: "1001" } },
    };
    const digest = `sha256:${new Bun.CryptoHasher("sha256").update(answer.Manifest).digest("hex")}`;
    const image = engineCommands("buildah", true).parseInspect(JSON.stringify(answer));
    expect(image).toEqual({ ...expected, digests: [digest] });
  });
});

test("digestInOutput reads what docker push prints", () => {
  const digest = `sha256:${"0f".repeat(32)}`;
  expect(digestInOutput(`a: Pushed\n9.1.0: digest: ${digest} size: 1234\n`)).toBe(digest);
  expect(digestInOutput("a: Pushed\n")).toBeUndefined();
});

test("bareId", () => {
  expect(bareId("sha256:ab\n")).toBe("ab");
});

test.each([
  ["", "it is empty, which is not JSON"],
  ["Emulate Docker CLI using podman.", "it is other text, which is not JSON"],
  ['[{"Id":', "it is broken or cut off, which is not JSON"],
  ["[]", "it lists no image"],
  ["null", "it lists no image"],
  ["5", "it lists no image"],
])("an engine that says %j about an image is named, and what it said is told", (stdout, reason) => {
  for (const name of ENGINE_NAMES) {
    if (name === "buildah" && stdout === "[]") continue;
    expect(() => engineCommands(name, true).parseInspect(stdout)).toThrow(
      /^Cannot read what (?:the engine|buildah) says about an image: /,
    );
    expect(() => engineCommands(name, true).parseInspect(stdout)).toThrow(reason);
  }
});

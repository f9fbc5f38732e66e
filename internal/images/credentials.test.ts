import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { findCredentials } from "./credentials.ts";

let root: string;
let home: string;
let env: Record<string, string>;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "credentials-test-"));
});
afterAll(() => rm(root, { recursive: true }));
beforeEach(async () => {
  home = await mkdtemp(join(root, "home-"));
  env = { HOME: home, XDG_RUNTIME_DIR: join(home, "run"), PATH: `${join(home, "bin")}:${process.env["PATH"]}` };
});

const base64 = (text: string): string => Buffer.from(text).toString("base64");
const auths = (...keys: string[]) => ({ auths: Object.fromEntries(keys.map((key) => [key, { auth: base64(key) }])) });

async function put(path: string, content: unknown): Promise<string> {
  const file = join(home, path);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, typeof content === "string" ? content : JSON.stringify(content));
  return file;
}

async function helper(name: string, script: string): Promise<void> {
  await chmod(await put(`bin/docker-credential-${name}`, `#!/bin/sh\n${script}\n`), 0o755);
}

const found = async (image: string, authfile?: string): Promise<string | undefined> => {
  const slash = image.indexOf("/");
  const login = await findCredentials(image.slice(0, slash), image.slice(slash + 1), authfile, env);
  return login === undefined ? undefined : Buffer.from(login, "base64").toString();
};

test.each(["run/containers/auth.json", ".config/containers/auth.json", ".docker/config.json"])(
  "a login in %s is found",
  async (path) => {
    await put(path, auths("r.example:5000"));
    expect(await found("r.example:5000/trading/user")).toBe("r.example:5000");
  },
);

test.each([
  ["REGISTRY_AUTH_FILE", "own.json", "own.json"],
  ["XDG_CONFIG_HOME", "config", "config/containers/auth.json"],
  ["DOCKER_CONFIG", "docker", "docker/config.json"],
])("$%s moves the file", async (variable, value, path) => {
  env[variable] = join(home, value);
  await put(path, auths("r.example"));
  expect(await found("r.example/trading/user")).toBe("r.example");
});

test("an authfile that is given is the only one that is read", async () => {
  await put(".docker/config.json", auths("r.example"));
  expect(await found("r.example/user", await put("mine.json", auths("other.example")))).toBeUndefined();
  expect(await found("r.example/user", await put("mine.json", auths("r.example")))).toBe("r.example");
});

test.each([
  "https://index.docker.io/v1/",
  "index.docker.io",
  "docker.io",
  "registry-1.docker.io",
  "https://registry-1.docker.io/v2/",
])("Docker Hub's login under %s", async (key) => {
  await put(".docker/config.json", auths(key));
  expect(await found("docker.io/trading/user")).toBe(key);
});

test.each(["https://r.example", "https://r.example/v1/", "http://r.example/v2/"])(
  "a login under the address %s",
  async (key) => {
    await put(".docker/config.json", auths(key, "https://r.example.evil/v1/"));
    expect(await found("r.example/user")).toBe(key);
  },
);

test("of logins for a registry and for namespaces in it, the closest counts", async () => {
  await put(
    "run/containers/auth.json",
    auths("r.example", "r.example/trading", "r.example/trading/fast", "r.example/tra"),
  );
  expect(await found("r.example/trading/fast/user")).toBe("r.example/trading/fast");
  expect(await found("r.example/trading/user")).toBe("r.example/trading");
  expect(await found("r.example/trading2/user")).toBe("r.example");
  expect(await found("other.example/trading/user")).toBeUndefined();
});

test("an entry without a login does not hide that of the next file", async () => {
  await put("run/containers/auth.json", { auths: { "r.example": {} } });
  await put(".docker/config.json", auths("r.example"));
  expect(await found("r.example/user")).toBe("r.example");
});

test("a file that is no JSON is named", async () => {
  const file = await put(".docker/config.json", "<html>");
  await expect(found("r.example/user")).rejects.toThrow(
    `Cannot read the logins in ${file}: it is no JSON; mend it, or give another with --authfile`,
  );
});

test.each(["null", "[]", '"x"', '{"auths":null}', '{"auths":{"r.example":null}}'])(
  "JSON of another form, %s, has no login",
  async (content) => {
    await put(".docker/config.json", content);
    expect(await found("r.example/user")).toBeUndefined();
  },
);

test("a helper is asked for the registry; for Docker Hub by the address that docker uses", async () => {
  await helper("echo", `read -r key; echo "{\\"Username\\":\\"me\\",\\"Secret\\":\\"$key\\"}"`);
  await put(".docker/config.json", { credsStore: "echo", auths: { "https://index.docker.io/v1/": {} } });
  expect(await found("docker.io/trading/user")).toBe("me:https://index.docker.io/v1/");
  expect(await found("r.example/user")).toBe("me:r.example");
});

test("a registry's own helper goes before the common one", async () => {
  await helper("own", `echo '{"Username":"own","Secret":"1"}'`);
  await helper("common", `echo '{"Username":"common","Secret":"1"}'`);
  await put(".docker/config.json", { credsStore: "common", credHelpers: { "r.example": "own" } });
  expect(await found("r.example/user")).toBe("own:1");
  expect(await found("other.example/user")).toBe("common:1");
});

test.each([
  ["that knows no login", "echo 'credentials not found in native keychain'; exit 1"],
  ["that answers without a name", "echo '{}'"],
  ["that answers null", "echo null"],
])("a helper %s is none", async (_, script) => {
  await helper("x", script);
  await put(".docker/config.json", { credsStore: "x" });
  expect(await found("r.example/user")).toBeUndefined();
});

test("a helper that is not installed is none", async () => {
  await put(".docker/config.json", { credsStore: "missing" });
  expect(await found("r.example/user")).toBeUndefined();
});

test("a helper that answers no JSON is named", async () => {
  await helper("chatty", "echo Welcome");
  await put(".docker/config.json", { credsStore: "chatty" });
  await expect(found("r.example/user")).rejects.toThrow(
    "Cannot read the login for r.example: docker-credential-chatty answers no JSON; mend it, or give --authfile",
  );
});

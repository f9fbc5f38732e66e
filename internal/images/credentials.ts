import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";

/** "user:password" in base64 from the files where podman and docker keep logins, or from docker's helpers. */
export async function findCredentials(host: string, authfile: string | undefined): Promise<string | undefined> {
  const runtime = process.env["XDG_RUNTIME_DIR"] ?? `/run/user/${process.getuid?.() ?? 0}`;
  const files =
    authfile === undefined
      ? [
          process.env["REGISTRY_AUTH_FILE"],
          join(runtime, "containers/auth.json"),
          join("/run/containers", String(process.getuid?.() ?? 0), "auth.json"),
          join(process.env["DOCKER_CONFIG"] ?? join(homedir(), ".docker"), "config.json"),
        ]
      : [authfile];
  for (const file of files) {
    const text = file === undefined ? undefined : await readFile(file, "utf8").catch(() => undefined);
    if (text === undefined) continue;
    const config = JSON.parse(text) as {
      auths?: Record<string, { auth?: string }>;
      credHelpers?: Record<string, string>;
      credsStore?: string;
    };
    const auth = (config.auths?.[host] ?? config.auths?.[`https://${host}/v1/`])?.auth;
    if (auth !== undefined) return auth;
    const helper = config.credHelpers?.[host] ?? config.credsStore;
    const helped = helper === undefined ? undefined : await askHelper(helper, host);
    if (helped !== undefined) return helped;
  }
  return undefined;
}

function askHelper(helper: string, host: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const child = execFile(`docker-credential-${helper}`, ["get"], (error, stdout) => {
      if (error) return resolve(undefined);
      const { Username, Secret } = JSON.parse(stdout) as { Username: string; Secret: string };
      resolve(Buffer.from(`${Username}:${Secret}`).toString("base64"));
    });
    child.stdin?.on("error", () => undefined);
    child.stdin?.end(host);
  });
}

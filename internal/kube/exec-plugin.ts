/**
 * Programs that give credentials, by the protocol of client-go (client.authentication.k8s.io). What a plugin prints never
 * comes out in a message: it may be its secret.
 */
import { spawn } from "node:child_process";
import { parseJson } from "../cli/json.ts";
import { printable } from "../cli/printable.ts";
import type { Cluster, ExecConfig } from "./kubeconfig-parts.ts";

/** What a plugin gave. */
export interface ExecCredential {
  token?: string | undefined;
  cert?: string | undefined;
  key?: string | undefined;
}

/** Reads a file or base64 data of the kubeconfig. */
type ReadPem = (file: string | undefined, data: string | undefined) => Promise<Buffer | undefined>;

/** Longest run of a plugin. Nobody can log in meanwhile: it has no terminal. */
const TIMEOUT_MS = 60_000;
/** After a polite end. */
const KILL_MS = 1000;
const MAX_OUTPUT_BYTES = 1 << 20;

/**
 * A function that runs a plugin, and again when its credential has expired or was refused.
 *
 * @param timeoutMs longest run of the plugin
 */
export function execPlugin(
  exec: ExecConfig,
  cluster: Cluster,
  readPem: ReadPem,
  timeoutMs: number = TIMEOUT_MS,
): (refused: boolean) => Promise<ExecCredential> {
  let held: { credential: ExecCredential; until: number } | undefined;
  return async (refused) => {
    if (held && !refused && Date.now() < held.until) return held.credential;
    const { command = "" } = exec;
    try {
      if (command === "") throw new Error("the kubeconfig names no command");
      if (exec.interactiveMode === "Always")
        throw new Error("its interactiveMode is Always, but there is no terminal here: use a token or a certificate");
      const output = await run(command, exec, await execInfo(exec, cluster, readPem), timeoutMs);
      held = parseCredential(output);
      return held.credential;
    } catch (error) {
      throw new Error(`exec plugin "${printable(command, 200)}" failed: ${(error as Error).message}`, { cause: error });
    }
  };
}

/** KUBERNETES_EXEC_INFO. */
async function execInfo(exec: ExecConfig, cluster: Cluster, readPem: ReadPem): Promise<string> {
  const ca = exec.provideClusterInfo ? await readPem(cluster.caFile, cluster.caData) : undefined;
  const info = {
    server: cluster.server,
    "tls-server-name": cluster.tlsServerName,
    "insecure-skip-tls-verify": cluster.skipTLSVerify || undefined,
    "certificate-authority-data": ca?.toString("base64"),
    "proxy-url": cluster.proxyUrl,
  };
  return JSON.stringify({
    apiVersion: exec.apiVersion ?? "client.authentication.k8s.io/v1",
    kind: "ExecCredential",
    spec: { interactive: false, ...(exec.provideClusterInfo ? { cluster: info } : {}) },
  });
}

/**
 * Runs a plugin without a terminal, in a process group of its own, so that nothing of it outlives the time limit or this
 * program.
 *
 * @returns standard output
 */
function run(command: string, exec: ExecConfig, info: string, timeoutMs: number): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const env: NodeJS.ProcessEnv = { ...process.env };
  for (const { name, value } of exec.env ?? []) env[name] = value;
  env["KUBERNETES_EXEC_INFO"] = info;
  // Said here, because the runtime quotes what it cannot pass on.
  if (`${command}${(exec.args ?? []).join("")}${Object.values(env).join("")}`.includes("\0"))
    throw new Error("its command, an argument or a variable has a NUL character");
  const child = spawn(command, exec.args ?? [], { env, detached: true, stdio: ["ignore", "pipe", "ignore"] });
  const end = (signal: NodeJS.Signals): void => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, signal);
    } catch {
      // It has ended.
    }
  };
  const endAtOnce = (): void => end("SIGKILL");
  process.once("exit", endAtOnce);
  let killTimer: NodeJS.Timeout | undefined;
  const giveUp = (reason: string): void => {
    end("SIGTERM");
    killTimer ??= setTimeout(endAtOnce, KILL_MS);
    settle();
    reject(new Error(reason));
  };
  const timer = setTimeout(
    () =>
      giveUp(`it has not ended within ${timeoutMs / 1000} s; if it asks for a login, run kubectl in a terminal first`),
    timeoutMs,
  );
  const settle = (): void => clearTimeout(timer);
  const pieces: Buffer[] = [];
  let size = 0;
  child.stdout.on("data", (piece: Buffer) => {
    size += piece.length;
    if (size > MAX_OUTPUT_BYTES) giveUp(`it prints more than ${MAX_OUTPUT_BYTES} bytes`);
    else pieces.push(piece);
  });
  child.on("error", (error: NodeJS.ErrnoException) => {
    settle();
    process.off("exit", endAtOnce);
    const hint = exec.installHint ? `; ${printable(exec.installHint)}` : "";
    reject(new Error(`it cannot be run (${error.code ?? "unknown reason"})${hint}`));
  });
  // A program that it left behind may keep the pipe open: the group ends with the plugin itself.
  child.on("exit", () => end("SIGTERM"));
  child.on("close", (code, signal) => {
    settle();
    clearTimeout(killTimer);
    process.off("exit", endAtOnce);
    if (code === 0) resolve(Buffer.concat(pieces).toString("utf8"));
    else reject(new Error(`it ends with ${code ?? signal}; kubectl with the same kubeconfig shows what it says`));
  });
  return promise;
}

/** @throws Error that quotes nothing of the output */
function parseCredential(output: string): { credential: ExecCredential; until: number } {
  let parsed: unknown;
  try {
    parsed = parseJson(output);
  } catch {
    throw new Error("it printed no JSON");
  }
  const { kind, status } = (parsed ?? {}) as { kind?: unknown; status?: Record<string, unknown> | null };
  if (kind !== "ExecCredential") throw new Error("it printed no ExecCredential");
  const { token, clientCertificateData: cert, clientKeyData: key, expirationTimestamp } = status ?? {};
  const text = (value: unknown): string | undefined => (typeof value === "string" && value !== "" ? value : undefined);
  const credential = { token: text(token), cert: text(cert), key: text(key) };
  if ((credential.cert === undefined) !== (credential.key === undefined))
    throw new Error("it gave a client certificate or its key, but not both");
  if (credential.token === undefined && credential.cert === undefined)
    throw new Error("it gave neither a token nor a client certificate");
  const until = typeof expirationTimestamp === "string" ? Date.parse(expirationTimestamp) : Infinity;
  if (Number.isNaN(until)) throw new Error("it gave an expirationTimestamp that is not a time");
  return { credential, until };
}

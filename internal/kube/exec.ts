/**
 * Runs a program in a container, as `kubectl exec` does: a WebSocket with the protocol v4.channel.k8s.io, whose messages
 * begin with the number of a stream (k8s.io/apimachinery, pkg/util/remotecommand; k8s.io/kubelet, pkg/cri/streaming).
 */
import { Buffer } from "node:buffer";
import { URLSearchParams } from "node:url";
import { fieldsOf, parseJson } from "../cli/json.ts";
import { printable } from "../cli/printable.ts";
import { objectPath, PODS, type ObjectRef } from "./resource.ts";
import type { Transport } from "./transport.ts";
import { WebSocketConnection, webSocketKey } from "./web-socket.ts";

const PROTOCOL = "v4.channel.k8s.io";
const CHANNEL = { stdin: 0, stdout: 1, stderr: 2, error: 3 } as const;
/** The server is asked for a sign of life this often, and taken for gone after that time without one. */
const PING_MS = 10_000;
const SILENCE_MS = 60_000;

export interface ExecRequest {
  container: string;
  command: readonly string[];
  /** Takes what the program prints. The next piece is read when it is done. */
  output: (stream: "stdout" | "stderr", bytes: Buffer) => Promise<void> | void;
}

/** A program that runs in a container. */
export class RemoteProgram {
  readonly #socket: WebSocketConnection;
  /** Its exit code. Rejects with an Error if the connection breaks or the program could not be started. */
  readonly exit: Promise<number>;

  private constructor(socket: WebSocketConnection, output: ExecRequest["output"]) {
    this.#socket = socket;
    this.exit = this.#run(output);
    // Whoever waits for it later is told all the same.
    this.exit.catch(() => undefined);
  }

  /**
   * Starts a program.
   *
   * @throws ApiError if it is not allowed, or there is no such container
   */
  static async start(
    transport: Transport,
    pod: ObjectRef,
    { container, command, output }: ExecRequest,
    signal: AbortSignal,
  ): Promise<RemoteProgram> {
    const { key, accept } = webSocketKey();
    const query = new URLSearchParams({ container, stdin: "true", stdout: "true", stderr: "true" });
    for (const word of command) query.append("command", word);
    const { socket, head } = await transport.upgrade(
      {
        method: "GET",
        path: `${objectPath(PODS, pod, "exec")}?${query.toString()}`,
        action: `run a program in container ${container} of pod ${pod.namespace}/${pod.name}`,
        // The API server refuses others: what follows is of no media type.
        accept: "*/*",
        headers: {
          connection: "Upgrade",
          upgrade: "websocket",
          "sec-websocket-key": key,
          "sec-websocket-version": "13",
          "sec-websocket-protocol": PROTOCOL,
        },
        noRetry: true,
        signal,
      },
      (answer) =>
        answer.header("sec-websocket-accept") === accept && answer.header("sec-websocket-protocol") === PROTOCOL,
    );
    return new RemoteProgram(new WebSocketConnection(socket, head), output);
  }

  /** Writes to the program's standard input. */
  send(text: string): void {
    this.#socket.send(Buffer.concat([Buffer.from([CHANNEL.stdin]), Buffer.from(text)]));
  }

  /** Drops the connection; the program's standard input ends with it. */
  close(): void {
    this.#socket.close();
  }

  async #run(output: ExecRequest["output"]): Promise<number> {
    let silent = false;
    const timer = setInterval(() => {
      this.#socket.ping();
      if (this.#socket.silentMs < SILENCE_MS) return;
      silent = true;
      this.#socket.close();
    }, PING_MS);
    try {
      for await (const piece of this.#socket.pieces()) {
        const bytes = piece.subarray(1);
        if (piece[0] === CHANNEL.error) return exitCodeOf(bytes.toString());
        if (bytes.length === 0) continue;
        if (piece[0] === CHANNEL.stdout) await output("stdout", bytes);
        else if (piece[0] === CHANNEL.stderr) await output("stderr", bytes);
      }
      throw new Error("the connection was closed");
    } catch (cause) {
      const why = silent ? `nothing came for ${SILENCE_MS / 1000} s` : (cause as Error).message;
      throw new Error(`Cannot follow the program to its end: ${why}`, { cause });
    } finally {
      clearInterval(timer);
      this.#socket.close();
    }
  }
}

/**
 * The exit code in the Status that the runtime sends at the end.
 *
 * @throws Error with its words if the program did not run
 */
export function exitCodeOf(text: string): number {
  const { status, message, details } = fieldsOf(parseJson(text)) ?? {};
  if (status === "Success") return 0;
  const causes = fieldsOf(details)?.["causes"];
  const code = Array.isArray(causes)
    ? causes.map(fieldsOf).find((cause) => cause?.["reason"] === "ExitCode")?.["message"]
    : undefined;
  if (typeof code === "string" && /^\d{1,3}$/.test(code)) return Number(code);
  throw new Error(printable(typeof message === "string" ? message : "the program could not be started"));
}

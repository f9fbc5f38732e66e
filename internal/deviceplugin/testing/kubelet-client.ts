import { spawn, type ChildProcessWithoutNullStreams } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { tool } from "../../testcluster/tools/index.ts";

/** An event of internal/testcluster/tools/kubelet-client; which fields it has depends on `event`. */
export interface KubeletEvent {
  event: string;
  [field: string]: any;
}

/**
 * The device manager's side of the protocol over grpc-go, the kubelet's own stack, in a process of its own. Events are
 * taken in the order in which they came, each once.
 */
export class KubeletClient implements AsyncDisposable {
  readonly #process: ChildProcessWithoutNullStreams;
  readonly #events: KubeletEvent[] = [];
  #arrived: (() => void) | undefined;

  private constructor(process: ChildProcessWithoutNullStreams) {
    this.#process = process;
    createInterface({ input: process.stdout }).on("line", (line) => {
      this.#events.push(JSON.parse(line) as KubeletEvent);
      this.#arrived?.();
    });
    process.stderr.on("data", (text: Buffer) => this.#events.push({ event: "stderr", text: text.toString() }));
  }

  /** Starts one that serves kubelet.sock in a folder. */
  static async start(dir: string): Promise<KubeletClient> {
    const client = new KubeletClient(spawn(await tool("kubelet-client"), ["--dir", dir]));
    await client.next("serving");
    return client;
  }

  /** Sends a command; see the program's `command` type. */
  send(command: object): void {
    this.#process.stdin.write(`${JSON.stringify(command)}\n`);
  }

  /** Sends a command and waits for the event that answers it. */
  async ask(command: object, event: string, timeoutMs?: number): Promise<KubeletEvent> {
    this.send(command);
    return this.next((seen) => seen.event === event || seen.event === "error", timeoutMs);
  }

  /** Takes events until one is as wanted, and returns it. */
  async next(wanted: string | ((event: KubeletEvent) => boolean), timeoutMs = 10_000): Promise<KubeletEvent> {
    const matches = typeof wanted === "string" ? (event: KubeletEvent) => event.event === wanted : wanted;
    const end = Date.now() + timeoutMs;
    const skipped: KubeletEvent[] = [];
    for (;;) {
      const event = this.#events.shift();
      if (event !== undefined) {
        if (matches(event)) return event;
        skipped.push(event);
        continue;
      }
      const rest = end - Date.now();
      if (rest <= 0) {
        throw new Error(
          `No event as wanted (${String(wanted)}) within ${timeoutMs} ms; seen: ${JSON.stringify(skipped)}`,
        );
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, rest);
        this.#arrived = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  /** Events that nobody has taken yet. */
  get waiting(): readonly KubeletEvent[] {
    return this.#events;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode !== null) return;
    this.#process.stdin.end();
    this.#process.kill("SIGKILL");
    await once(this.#process, "exit");
  }
}

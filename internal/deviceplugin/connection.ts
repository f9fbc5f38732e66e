import type { Logger } from "../cli/log.ts";
import { isPluginSocket, type PluginConfig } from "./config.ts";
import { findKubelet, KUBELET_SOCKET, register, type KubeletSocket } from "./kubelet.ts";
import type { PluginServer } from "./server.ts";
import { FolderWatch, Wake } from "./wake.ts";

/** Time for a kubelet that accepted a registration to ask for the devices. */
const LIST_TIMEOUT_MS = 5000;
const BASE_RETRY_DELAY_MS = 100;
const MAX_RETRY_DELAY_MS = 10_000;
/** A stream that lasted this long was no failure: the next registration need not wait. */
const STABLE_MS = 30_000;

export interface ConnectionDeps {
  log: Logger;
  /** Milliseconds of a clock that does not go back. */
  elapsed: () => number;
  registered: (ok: boolean) => void;
}

/**
 * Keeps the kubelet connected: serves on the plugin's socket, makes the socket again when somebody removes it, and
 * registers whenever the kubelet is new or has closed its stream. It decides from what is on the disk. Events of the
 * file system only make it look sooner.
 */
export class Connection {
  readonly #config: Pick<PluginConfig, "kubeletDir" | "socketIntervalMs">;
  readonly #server: PluginServer;
  readonly #endpoint: string;
  readonly #deps: ConnectionDeps;
  readonly #wake = new Wake();
  /** The kubelet that accepted our last registration and has not closed its stream since. */
  #registeredWith: string | undefined;
  #registeredAt = 0;
  /** The kubelet that was asked last. A new one is asked at once, whatever the failures of the former. */
  #asked: string | undefined;
  #attempt: { abort: AbortController; done: Promise<void> } | undefined;
  #failures = 0;
  #retryAt = 0;
  #lastContact: number;

  constructor(
    config: Pick<PluginConfig, "kubeletDir" | "socketIntervalMs">,
    server: PluginServer,
    endpoint: string,
    deps: ConnectionDeps,
  ) {
    this.#config = config;
    this.#server = server;
    this.#endpoint = endpoint;
    this.#deps = deps;
    this.#lastContact = deps.elapsed();
  }

  /** How long there has been no stream to the kubelet, in milliseconds. */
  get silentMs(): number {
    return this.#server.streams > 0 ? 0 : this.#deps.elapsed() - this.#lastContact;
  }

  /** To be called when a stream opens or ends. */
  streamsChanged(open: number): void {
    this.#lastContact = this.#deps.elapsed();
    if (open > 0) return;
    // A kubelet that accepts us and closes the stream again and again is not asked without a pause.
    if (this.#deps.elapsed() - this.#registeredAt >= STABLE_MS) this.#failures = 0;
    else this.#retryAt = this.#deps.elapsed() + (this.#failures++ === 0 ? 0 : this.#backOff());
    this.#registeredWith = undefined;
    this.#wake.notify();
  }

  /** Runs until the signal is aborted. Never throws; what fails is tried again. */
  async run(signal: AbortSignal): Promise<void> {
    const watch = new FolderWatch(this.#config.kubeletDir, (name) => {
      if (name === null || name === KUBELET_SOCKET || isPluginSocket(name)) this.#wake.notify();
    });
    try {
      while (!signal.aborted) {
        watch.ensure();
        await this.#wake.wait(await this.#step(), signal);
      }
    } finally {
      watch.close();
      await this.#abandon();
    }
  }

  /** Looks once and does what is missing. Returns the milliseconds after which to look again. */
  async #step(): Promise<number> {
    const { kubeletDir, socketIntervalMs } = this.#config;
    const { log, elapsed } = this.#deps;
    if (!(await this.#serve())) return this.#backOff();
    const kubelet = await findKubelet(kubeletDir);
    if (kubelet?.identity !== this.#asked) {
      await this.#abandon();
      this.#asked = kubelet?.identity;
      this.#failures = 0;
      this.#retryAt = 0;
    }
    if (kubelet === undefined || this.#attempt !== undefined) return socketIntervalMs;
    if (this.#registeredWith === kubelet.identity) {
      if (this.#server.streams > 0) return socketIntervalMs;
      const waited = elapsed() - this.#registeredAt;
      if (waited < LIST_TIMEOUT_MS) return LIST_TIMEOUT_MS - waited;
      log.warn("The kubelet accepted the registration but did not ask for devices; registering again");
    }
    const early = this.#retryAt - elapsed();
    if (early > 0) return Math.min(early, socketIntervalMs);
    // Not awaited here: a kubelet that starts may remove our socket and then wait until we make it again.
    const abort = new AbortController();
    this.#attempt = { abort, done: this.#register(kubelet, abort.signal) };
    return socketIntervalMs;
  }

  /** Makes sure that the plugin can be reached at its socket. */
  async #serve(): Promise<boolean> {
    if (await this.#server.isReachable()) return true;
    await this.#abandon();
    this.#registeredWith = undefined;
    this.#retryAt = 0;
    try {
      await this.#server.start();
      return true;
    } catch (error) {
      this.#failed(error);
      return false;
    }
  }

  async #register(kubelet: KubeletSocket, signal: AbortSignal): Promise<void> {
    const { log, elapsed, registered } = this.#deps;
    // The stream may open, and even end, before the answer comes.
    this.#registeredWith = kubelet.identity;
    this.#registeredAt = elapsed();
    try {
      await register(kubelet, this.#endpoint, signal);
      registered(true);
      log.info("Registered with the kubelet", { socket: kubelet.path, endpoint: this.#endpoint });
    } catch (error) {
      this.#registeredWith = undefined;
      if (!signal.aborted) {
        registered(false);
        this.#failed(error);
        this.#retryAt = elapsed() + this.#backOff();
      }
    } finally {
      if (this.#attempt?.abort.signal === signal) this.#attempt = undefined;
      this.#wake.notify();
    }
  }

  async #abandon(): Promise<void> {
    const attempt = this.#attempt;
    this.#attempt = undefined;
    attempt?.abort.abort();
    await attempt?.done;
  }

  #failed(error: unknown): void {
    this.#failures++;
    // A kubelet that is just starting refuses once or twice. The third failure in a row is worth one warning.
    this.#deps.log[this.#failures === 3 ? "warn" : "debug"]("Cannot reach the kubelet yet; trying again", { error });
  }

  #backOff(): number {
    return Math.min(MAX_RETRY_DELAY_MS, BASE_RETRY_DELAY_MS * 2 ** Math.min(this.#failures, 10));
  }
}

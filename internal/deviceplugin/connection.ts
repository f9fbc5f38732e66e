import type { Logger } from "../cli/log.ts";
import { isPluginSocket, type PluginConfig } from "./config.ts";
import { findKubelet, register, type KubeletSocket } from "./kubelet.ts";
import type { PluginServer } from "./server.ts";
import { FolderWatch, Wake } from "./wake.ts";

/** How long a kubelet that accepted a registration may take to ask for the devices. */
const LIST_TIMEOUT_MS = 5000;
const FIRST_RETRY_MS = 100;
const LAST_RETRY_MS = 10_000;
/** A stream that lasted this long ends the suspicion that the kubelet drops us again and again. */
const STABLE_MS = 30_000;

export interface ConnectionDeps {
  log: Logger;
  now: () => number;
  registered: (ok: boolean) => void;
}

/**
 * Keeps the kubelet connected: serves on the plugin's socket, makes it again when somebody removes it, and registers
 * whenever the kubelet is new or has let go of us. Decides from what is on the disk; events only hasten the look.
 */
export class Connection {
  readonly #config: Pick<PluginConfig, "kubeletDir" | "socketIntervalMs">;
  readonly #server: PluginServer;
  readonly #endpoint: string;
  readonly #deps: ConnectionDeps;
  readonly #wake = new Wake();
  /** The kubelet that has accepted us and has not let go since. */
  #registeredWith: string | undefined;
  #registeredAt = 0;
  #failures = 0;
  #lastTried: string | undefined;
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
    this.#lastContact = deps.now();
  }

  /** How long there has been no stream to the kubelet, in milliseconds. */
  get silentMs(): number {
    return this.#server.streams > 0 ? 0 : this.#deps.now() - this.#lastContact;
  }

  /** To be called when a stream opens or ends. */
  streamsChanged(open: number): void {
    this.#lastContact = this.#deps.now();
    if (open > 0) return;
    if (this.#deps.now() - this.#registeredAt >= STABLE_MS) this.#failures = 0;
    this.#registeredWith = undefined;
    this.#wake.notify();
  }

  /** Runs until the signal is aborted. Never throws: what fails is tried again. */
  async run(signal: AbortSignal): Promise<void> {
    const watch = new FolderWatch(this.#config.kubeletDir, (name) => {
      if (name === null || name === "kubelet.sock" || isPluginSocket(name)) this.#wake.notify();
    });
    try {
      while (!signal.aborted) {
        watch.ensure();
        const wait = await this.#step();
        await this.#wake.wait(wait, signal);
      }
    } finally {
      watch.close();
    }
  }

  /** Looks once and does what is missing; returns the milliseconds after which to look again. */
  async #step(): Promise<number> {
    const { log, now } = this.#deps;
    try {
      if (!(await this.#server.isReachable())) {
        await this.#server.start();
        this.#registeredWith = undefined;
      }
      const kubelet = await findKubelet(this.#config.kubeletDir);
      if (kubelet === undefined) {
        this.#registeredWith = undefined;
        return this.#config.socketIntervalMs;
      }
      if (this.#registeredWith === kubelet.identity) {
        const waited = now() - this.#registeredAt;
        if (this.#server.streams > 0) return this.#config.socketIntervalMs;
        if (waited < LIST_TIMEOUT_MS) return LIST_TIMEOUT_MS - waited;
        log.warn("The kubelet accepted the registration but did not ask for devices; registering again");
      }
      await this.#register(kubelet);
      return LIST_TIMEOUT_MS;
    } catch (error) {
      // Beyond the second failure in a row it is news only for whoever looks closely.
      const level = this.#failures === 2 ? "warn" : "debug";
      this.#failures++;
      log[level]("Cannot reach the kubelet yet; trying again", { error });
      return Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(this.#failures, 10));
    }
  }

  async #register(kubelet: KubeletSocket): Promise<void> {
    const { log, now, registered } = this.#deps;
    if (this.#lastTried !== kubelet.identity) this.#failures = 0;
    this.#lastTried = kubelet.identity;
    try {
      this.#registeredWith = kubelet.identity;
      this.#registeredAt = now();
      await register(kubelet, this.#endpoint);
      registered(true);
      log.info("Registered with the kubelet", { socket: kubelet.path, endpoint: this.#endpoint });
    } catch (error) {
      this.#registeredWith = undefined;
      registered(false);
      throw error;
    }
  }
}

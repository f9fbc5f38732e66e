/** The image of the operator's own pod, which also has the device plugin in it. */
import type { Logger } from "../cli/log.ts";
import type { Container, DeepReadonly, Pod } from "../api/core.ts";
import type { Client } from "../kube/client.ts";
import { sleep, systemClock, type Clock } from "../kube/clock.ts";
import { PODS } from "../kube/resource.ts";

const BASE_DELAY_MS = 1000;
const MAX_DELAY_MS = 60_000;
/** The operator's start waits for the first read. */
const READ_TIMEOUT_MS = 5000;

export interface OwnImageOptions {
  client: Pick<Client, "get">;
  /** Where the operator runs; with no name or namespace it runs outside of a pod and has no image. */
  pod: { name: string | undefined; namespace: string | undefined };
  log: Logger;
  clock?: Clock;
}

/** The image of the program that an operator's pod is for, beside which there may be others such as a proxy. */
export function mainImage(containers: readonly DeepReadonly<Container>[]): string | undefined {
  return mainContainer(containers)?.image;
}

/** The container of that program; undefined if there is none. */
export function mainContainer<T extends DeepReadonly<Container>>(containers: readonly T[]): T | undefined {
  return containers.find(({ name }) => name === "manager") ?? containers[0];
}

/** Reads the image, again and again until it is known. */
export class OwnImage {
  readonly #options: OwnImageOptions;
  readonly #onKnown: (image: string) => void;
  #known = false;

  /** @param onKnown called once, when the image is known */
  constructor(options: OwnImageOptions, onKnown: (image: string) => void) {
    this.#options = options;
    this.#onKnown = onKnown;
  }

  /**
   * Tries once, unless the image is known.
   *
   * @returns whether there is nothing left to try; never throws
   */
  async read(signal: AbortSignal): Promise<boolean> {
    const { client, pod, log } = this.#options;
    const { name, namespace } = pod;
    if (this.#known || !name || !namespace) return true;
    try {
      const found = await client.get<Pod>(PODS, { namespace, name }, { signal, timeoutMs: READ_TIMEOUT_MS });
      const image = mainImage(found?.spec?.containers ?? []);
      if (image === undefined) throw new Error(`Cannot find pod ${namespace}/${name}: no such pod, or it has no image`);
      this.#known = true;
      this.#onKnown(image);
    } catch (error) {
      if (!signal.aborted) log.warn("Could not read the operator's own pod", { error });
    }
    return this.#known;
  }

  /** Tries until the image is known or the signal aborts. Never throws. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock = systemClock } = this.#options;
    try {
      for (let delay = BASE_DELAY_MS; !(await this.read(signal)); delay = Math.min(2 * delay, MAX_DELAY_MS)) {
        await sleep(delay, signal, clock);
      }
    } catch {
      // Only the end of the operator gets here.
    }
  }
}

import type { Container, DeepReadonly, KubeObject, Pod } from "../api/core.ts";
import { read } from "../check/read.ts";
import type { Client } from "../kube/client.ts";
import { CONFIG_MAPS } from "../kube/resource.ts";
import { holdingContainers } from "./judge-pod.ts";
import { configMapsOf, settingsOf, type ConfigMapData, type ContainerSettings } from "./settings.ts";

/** A pod that has more is odd, and its others count as not read. */
const MAX_CONFIG_MAPS = 20;

/** Reads ConfigMaps, each once. */
export class Environments {
  readonly #client: Pick<Client, "get">;
  readonly #signal: AbortSignal;
  readonly #known = new Map<string, Promise<ConfigMapData>>();

  constructor(client: Pick<Client, "get">, signal: AbortSignal) {
    this.#client = client;
    this.#signal = signal;
  }

  /** The EF_ variables of the containers of a pod that ask for Onload. */
  async of(pod: DeepReadonly<Pod>): Promise<ContainerSettings[]> {
    const containers: readonly DeepReadonly<Container>[] = holdingContainers(pod);
    const names = configMapsOf(containers).slice(0, MAX_CONFIG_MAPS);
    const { namespace = "" } = pod.metadata;
    const read = await Promise.all(names.map(async (name) => [name, await this.#data(namespace, name)] as const));
    const configMaps = new Map(read);
    return containers.map((container) => settingsOf(container, configMaps));
  }

  #data(namespace: string, name: string): Promise<ConfigMapData> {
    const key = `${namespace}/${name}`;
    const known = this.#known.get(key) ?? this.#read(namespace, name);
    this.#known.set(key, known);
    return known;
  }

  #read(namespace: string, name: string): Promise<ConfigMapData> {
    type ConfigMap = KubeObject & { data?: Record<string, string> };
    return read(async () => {
      const map = await this.#client.get<ConfigMap>(CONFIG_MAPS, { namespace, name }, { signal: this.#signal });
      return map && (map.data ?? {});
    });
  }
}

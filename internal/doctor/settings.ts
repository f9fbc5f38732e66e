/** The EF_ variables that a container's spec gives it. Pure. */
import type { Container, DeepReadonly } from "../api/core.ts";
import type { Read } from "../check/read.ts";
import type { ProcessSettings } from "../acceleration/settings.ts";
import { isOnloadVariable } from "../profiles/names.ts";

/** What is known of a container's EF_ variables. */
export interface ContainerSettings {
  container: string;
  settings: Record<string, string>;
  /** What may give others or other values, and was not read: `Secret "a"`. */
  unread: string[];
  /** If it is what a process has: those whose values are not known. */
  withoutValue?: string[];
}

/**
 * The same as a process of the container has them, which knows what its image and its scripts have set, too.
 *
 * @param known values that are no numbers are those of the spec, if it has any
 * @param process undefined if nothing is known of it
 */
export function asProcessHas(known: ContainerSettings, process: ProcessSettings | undefined): ContainerSettings {
  if (process === undefined) return known;
  const values = Object.entries(process).map(([name, value]) => [name, value ?? known.settings[name]] as const);
  const unread = values.filter(([, value]) => value === undefined).map(([name]) => name);
  return {
    container: known.container,
    settings: Object.fromEntries(values.filter((each): each is [string, string] => each[1] !== undefined)),
    unread: [],
    withoutValue: unread,
  };
}

/** The data of a ConfigMap; undefined if there is none of that name. */
export type ConfigMapData = Read<Readonly<Record<string, string>> | undefined>;

/** Names of the ConfigMaps that containers may have EF_ variables from. */
export function configMapsOf(containers: readonly DeepReadonly<Container>[]): string[] {
  const names = containers.flatMap(({ env = [], envFrom = [] }) => [
    ...envFrom.map(({ configMapRef }) => configMapRef?.name),
    ...env.filter(({ name }) => isOnloadVariable(name)).map(({ valueFrom }) => valueFrom?.configMapKeyRef?.name),
  ]);
  return [...new Set(names.filter((name) => name !== undefined && name !== ""))] as string[];
}

/**
 * The variables as the kubelet sets them: those of envFrom in their order, and then those of env.
 *
 * @param configMaps by name: those of {@link configMapsOf}
 */
export function settingsOf(
  container: DeepReadonly<Container>,
  configMaps: ReadonlyMap<string, ConfigMapData>,
): ContainerSettings {
  const settings: Record<string, string> = {};
  const unread = new Set<string>();
  const dataOf = (name: string): Readonly<Record<string, string>> => {
    const read = configMaps.get(name) ?? { problem: "" };
    if ("problem" in read) unread.add(`ConfigMap "${name}"`);
    return "problem" in read ? {} : (read.value ?? {});
  };
  for (const { prefix = "", configMapRef, secretRef } of container.envFrom ?? []) {
    if (secretRef?.name !== undefined) unread.add(`Secret "${secretRef.name}"`);
    for (const [key, value] of Object.entries(configMapRef?.name === undefined ? {} : dataOf(configMapRef.name))) {
      if (isOnloadVariable(`${prefix}${key}`)) settings[`${prefix}${key}`] = value;
    }
  }
  for (const { name, value, valueFrom } of container.env ?? []) {
    if (!isOnloadVariable(name)) continue;
    const { name: map, key = "" } = valueFrom?.configMapKeyRef ?? {};
    delete settings[name];
    if (map !== undefined) {
      const data = dataOf(map);
      if (Object.hasOwn(data, key)) settings[name] = data[key]!;
    } else if (valueFrom !== undefined || value?.includes("$(") === true) unread.add(`variable ${name}`);
    else settings[name] = value ?? "";
  }
  return { container: container.name, settings, unread: [...unread] };
}

/** Kubelets: they pull images, run hooks, say what is ready and allocatable, and end pods. */
import type { ContainerState, ContainerStatus, Pod } from "../../../api/core.ts";
import { isFinished, keyOf } from "./api.ts";
import { type Driver, KMM_IMAGE_OWNER, KMM_MODULE_NAME, KMM_ROLE, KMM_WORKER_ACTION, PLUGIN_NAME } from "./names.ts";
import { asksForOnload, type Loaded, type Machine, type World } from "./world.ts";

/** Says on a pod of KMM which driver it loads, from where. */
export const LOADS = "model/loads";
export type Loads = { driver: Driver } & Loaded;

/** Pods of KMM: they load, unload and look for images. Gives whether one of them got any further. */
export function runKmmPods(world: World, machine: Machine): boolean {
  let acted = false;
  for (const pod of world.api.podsOn(machine.name)) {
    const { labels = {}, deletionTimestamp } = pod.metadata;
    if (!machine.up || isFinished(pod)) continue;
    if (KMM_IMAGE_OWNER in labels) acted = runPuller(world, pod) || acted;
    if (!(KMM_MODULE_NAME in labels)) continue;
    if (deletionTimestamp !== undefined) acted = end(world, machine, pod) || acted;
    else if (KMM_ROLE in labels) acted = runLoader(world, machine, pod) || acted;
    else if (KMM_WORKER_ACTION in labels) acted = runWorker(world, machine, pod) || acted;
  }
  return acted;
}

export function loadsOf(pod: Pod): Loads {
  return JSON.parse(pod.metadata.annotations?.[LOADS] ?? "{}") as Loads;
}

/** Whether a registry has an image. Its tag is `VERSION.REVISION-KERNEL`. */
function imageProblem(world: World, image: string): string | undefined {
  const tag = image.slice(image.lastIndexOf(":") + 1);
  if (!/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/.test(tag)) return "InvalidImageName";
  return world.faults.missing.has(tag.split(".")[0]!) ? "ErrImagePull" : undefined;
}

/** KMM 1.1: the module is loaded by the postStart hook and unloaded by the preStop hook. */
function runLoader(world: World, machine: Machine, pod: Pod): boolean {
  if (isReady(pod)) return false;
  const { driver, ...loaded } = loadsOf(pod);
  const problem = imageProblem(world, loaded.image);
  if (problem) return fail(world, pod, pulls(problem, loaded.image));
  const error = machine.loaded[driver]?.by === loaded.by ? undefined : world.load(machine, driver, loaded);
  if (error === undefined) return run(world, pod);
  const ended = { terminated: { exitCode: 137, reason: "Error", finishedAt: world.api.time() } };
  const hook = `Exec lifecycle hook ([/bin/sh]) failed - error: command exited with 1, message: ${JSON.stringify(error)}`;
  return fail(world, pod, [
    { state: { waiting: { reason: "PostStartHookError", message: hook } } },
    { state: { waiting: { reason: "CrashLoopBackOff", message: "back-off restarting" } }, lastState: ended },
    { state: { running: { startedAt: world.api.time() } }, lastState: ended },
  ]);
}

/** KMM 2: a worker pod loads or unloads, and ends. */
function runWorker(world: World, machine: Machine, pod: Pod): boolean {
  const { driver, ...loaded } = loadsOf(pod);
  const unloads = pod.metadata.labels?.[KMM_WORKER_ACTION] === "Unload";
  const problem = imageProblem(world, loaded.image);
  if (problem) return fail(world, pod, pulls(problem, loaded.image));
  if (unloads) {
    world.unload(machine, driver, loaded.by, false);
    return finish(world, pod);
  }
  const error = world.load(machine, driver, loaded);
  if (error === undefined) return finish(world, pod);
  const ended = { terminated: { exitCode: 1, reason: "Error", finishedAt: world.api.time() } };
  return fail(world, pod, [
    { state: { running: { startedAt: world.api.time() } } },
    { state: { waiting: { reason: "CrashLoopBackOff", message: "back-off restarting" } }, lastState: ended },
    { state: { running: { startedAt: world.api.time() } }, lastState: ended },
  ]);
}

function runPuller(world: World, pod: Pod): boolean {
  const image = pod.spec?.containers?.[0]?.image ?? "";
  const problem = imageProblem(world, image);
  return problem ? fail(world, pod, pulls(problem, image)) : finish(world, pod);
}

function pulls(problem: string, image: string): Partial<ContainerStatus>[] {
  if (problem === "InvalidImageName") return [{ state: { waiting: { reason: problem, message: image } } }];
  return [
    { state: { waiting: { reason: "ErrImagePull", message: `rpc error: ${image}: not found` } } },
    { state: { waiting: { reason: "ImagePullBackOff", message: `Back-off pulling image "${image}"` } } },
  ];
}

/** Device plugins. */
export function runPlugins(world: World, machine: Machine): boolean {
  let acted = false;
  for (const pod of world.api.podsOn(machine.name)) {
    if (!machine.up || !(PLUGIN_NAME in (pod.metadata.labels ?? {}))) continue;
    if (pod.metadata.deletionTimestamp !== undefined) {
      world.api.remove("pods", keyOf(pod));
      acted = true;
    } else if (!isReady(pod)) {
      const image = "registry/onloadctl:1";
      const failing = world.faults.pluginImage;
      acted = (failing ? fail(world, pod, pulls("ErrImagePull", image)) : run(world, pod)) || acted;
    }
  }
  return acted;
}

/** What the kubelet offers follows the plugin and the driver, with its next status. */
export function tellAllocatable(world: World, machine: Machine): boolean {
  return machine.up && world.setAllocatable(machine, offers(world, machine) ? "100" : "0");
}

/** Whether the device plugin's devices are healthy. */
export function offers(world: World, machine: Machine): boolean {
  const plugin = world.api
    .podsOn(machine.name)
    .some(
      ({ metadata, status }) =>
        PLUGIN_NAME in (metadata.labels ?? {}) && !metadata.deletionTimestamp && hasReady(status),
    );
  return plugin && machine.loaded.onload !== undefined;
}

/** Pods that were evicted or deleted go when their containers have ended. */
export function endPods(world: World, machine: Machine): boolean {
  let acted = false;
  for (const pod of world.api.podsOn(machine.name)) {
    const ours = [PLUGIN_NAME, KMM_MODULE_NAME].some((label) => label in (pod.metadata.labels ?? {}));
    if (!machine.up || ours || pod.metadata.deletionTimestamp === undefined) continue;
    if (world.faults.slowPods && asksForOnload(pod)) continue;
    world.api.remove("pods", keyOf(pod));
    acted = true;
  }
  return acted;
}

function end(world: World, machine: Machine, pod: Pod): boolean {
  if (KMM_ROLE in (pod.metadata.labels ?? {})) {
    const { driver, by } = loadsOf(pod);
    world.unload(machine, driver, by, world.lostToKmm.delete(pod.metadata.uid ?? ""));
  }
  world.api.remove("pods", keyOf(pod));
  return true;
}

export function isReady(pod: Pod): boolean {
  return hasReady(pod.status);
}

function hasReady(status: Pod["status"]): boolean {
  return status?.conditions?.some((each) => each.type === "Ready" && each.status === "True") ?? false;
}

function run(world: World, pod: Pod): boolean {
  const state: ContainerState = { running: { startedAt: world.api.time() } };
  setStatus(world, pod, {
    phase: "Running",
    conditions: readiness("True", world.api.time()),
    containerStatuses: [{ name: "main", state }],
  });
  return true;
}

function finish(world: World, pod: Pod): boolean {
  const state: ContainerState = { terminated: { exitCode: 0, finishedAt: world.api.time() } };
  setStatus(world, pod, {
    phase: "Succeeded",
    conditions: readiness("False", world.api.time()),
    containerStatuses: [{ name: "main", state }],
  });
  return true;
}

/**
 * A container that does not get up goes through these again and again.
 *
 * @returns false: nothing gets any further by it
 */
function fail(world: World, pod: Pod, ways: Partial<ContainerStatus>[]): false {
  const before = pod.status?.containerStatuses?.[0]?.restartCount ?? 0;
  const round = Number(pod.metadata.annotations?.["model/round"] ?? -1) + 1;
  const way = ways[round % ways.length]!;
  const restartCount = way.lastState ? before + 1 : before;
  const conditions = pod.status?.conditions?.some(({ status }) => status === "False")
    ? pod.status.conditions
    : readiness("False", world.api.time());
  const status = { phase: "Running" as const, conditions, containerStatuses: [{ name: "main", restartCount, ...way }] };
  world.api.update("pods", keyOf(pod), (old) => ({
    ...old,
    metadata: { ...old.metadata, annotations: { ...old.metadata.annotations, "model/round": String(round) } },
    status,
  }));
  return false;
}

function setStatus(world: World, pod: Pod, status: NonNullable<Pod["status"]>): void {
  world.api.update("pods", keyOf(pod), (old) => ({ ...old, status }));
}

function readiness(status: "True" | "False", now: string): NonNullable<NonNullable<Pod["status"]>["conditions"]> {
  return [{ type: "Ready", status, lastTransitionTime: now } as { type: string; status: string }];
}

/**
 * Measures the operator as a user runs it: the compiled executable against a real API server with KMM 1.1.0 and fake
 * nodes (kwok), whose pods run and end at once.
 *
 *   bun scripts/bench/operator.ts            every row
 *   bun scripts/bench/operator.ts 100 sfc    rows whose name has all these words
 *   bun scripts/bench/operator.ts 20         the fastest rows
 *   bun scripts/bench/operator.ts 100 --original=PATH
 *                                            each row once more with the original's operator (`go build` in a checkout of
 *                                            Xilinx-CNS/kubernetes-onload); it is done when its labels say so
 *
 * Each piece of work begins when KMM and the machine are idle. CPU seconds and memory are those of the operator's
 * process, from /proc. Requests are counted in the API server's audit log. If a row says "KMM", its time includes the work
 * of KMM and of the controllers, for which the operator waits. KMM 1.1.0 sends 30 PATCHes of nodes at once and then 20 per
 * second, which sets a lower bound for the time of those in its column. The rows "KMM alone" show the time that KMM needs
 * for all nodes at once while nothing else runs. The operator accounts for what the rows with "KMM" take beyond that.
 */
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import {
  moduleReadyLabel,
  onloadModuleLabel,
  onloadModuleName,
  pluginLabel,
  sfcModuleLabel,
} from "../../internal/api/names.ts";
import type { Onload, OnloadSpecInput } from "../../internal/api/onload.ts";
import { silentLogger } from "../../internal/cli/log.ts";
import { formatTable } from "../../internal/cli/table.ts";
import type { Client } from "../../internal/kube/client.ts";
import { connect } from "../../internal/kube/connect.ts";
import { Informer } from "../../internal/kube/informer.ts";
import { ONLOADS } from "../../internal/api/resources.ts";
import { KMM_USER } from "../../internal/testcluster/audit-policy.ts";
import { startControlPlane, startKmm, startKwok, type ControlPlane } from "../../internal/testcluster/index.ts";
import { builtExecutable } from "../../internal/testcluster/lib/built.ts";
import { poll } from "../../internal/testcluster/lib/poll.ts";
import { progress } from "../../internal/testcluster/lib/progress.ts";
import { kmmAlone } from "./kmm-alone.ts";
import { Nodes, PATIENCE_MS } from "./nodes.ts";
import { MANIFESTS, original, ours, Subject, type Program } from "./operators.ts";
import { atRest, kmmAtRest } from "./rest.ts";

const NAME = "main";

interface Row {
  name: string;
  nodes: number;
  pods: number;
  sfc: boolean;
}

const ROWS: Row[] = [
  { name: "20 nodes, no pods", nodes: 20, pods: 0, sfc: false },
  { name: "100 nodes, 2000 pods", nodes: 100, pods: 2000, sfc: false },
  { name: "100 nodes, 2000 pods, sfc", nodes: 100, pods: 2000, sfc: true },
  { name: "300 nodes, no pods", nodes: 300, pods: 0, sfc: false },
  { name: "300 nodes, 6000 pods", nodes: 300, pods: 6000, sfc: false },
];

/** One line of the result. */
interface Measure {
  row: string;
  what: string;
  seconds: number;
  patchesPerNode: number;
  requests: number;
  /** PATCHes of nodes that KMM sent. */
  kmmPatches: number;
  cpuSeconds: number;
  residentMb: number;
  anonymousMb: number;
}

async function measureRow(row: Row, program: Program): Promise<Measure[]> {
  const rowName = row.name + program.name;
  progress(`${rowName}: starting a cluster`);
  await using plane = await startControlPlane();
  await startKmm(plane);
  const kwok = await startKwok(plane);
  for (const file of ["crd/onload.amd.com_onloads.yaml", "rbac/manager-role.yaml"]) {
    await plane.apply(await readFile(join(MANIFESTS, file), "utf8"));
  }
  const user = await operatorUser(plane, program.role);
  const namespace = await plane.createNamespace("o");
  await plane.request("POST", `/api/v1/namespaces/${namespace}/serviceaccounts`, {
    body: { metadata: { name: "onload" } },
  });
  progress(`${rowName}: making nodes and pods`);
  const kmmPatches = (): number => plane.auditEvents(KMM_USER).length;
  const rest = async (): Promise<void> => {
    await kmmAtRest(kmmPatches);
    await atRest();
  };
  const nodes = await kwok.createNodes(row.nodes, {
    labels: { onload: "yes" },
    allocatable: { "amd.com/onload": "100" },
  });
  if (row.pods > 0) await kwok.createPods(row.pods, { namespace: await plane.createNamespace("w"), nodes });
  const client = await connect({ kubeconfig: plane.kubeconfigPath });
  const seen = new Nodes(client);
  // KMM labels new nodes with their kernel, 20 per second. The nodes of other clusters have had this label for long.
  await rest();
  await using operator = await Subject.start(program, user.kubeconfigPath, join(plane.folder, "operator.log"));
  const measures: Measure[] = [];
  const key = { namespace, name: NAME };
  const modules = [onloadModuleLabel(key), ...(row.sfc ? [sfcModuleLabel(key)] : [])];
  const labels = [pluginLabel(key), ...modules];
  let requestsBefore = 0;
  let kmmBefore = kmmPatches();
  let cpuBefore = 0;

  const note = (what: string, seconds: number): void => {
    const events = plane.auditEvents(user.name).slice(requestsBefore);
    const patches = events.filter(({ verb, objectRef }) => verb === "patch" && objectRef?.resource === "nodes").length;
    const { resident, anonymous } = operator.memoryMb();
    const cpu = operator.cpuSeconds();
    const kmm = kmmPatches();
    measures.push({
      row: rowName,
      what,
      seconds,
      patchesPerNode: patches / row.nodes,
      requests: events.length,
      kmmPatches: kmm - kmmBefore,
      cpuSeconds: cpu - cpuBefore,
      residentMb: resident,
      anonymousMb: anonymous,
    });
    progress(`${rowName}: ${what}: ${seconds.toFixed(2)} s`);
    requestsBefore += events.length;
    kmmBefore = kmm;
    cpuBefore = cpu;
  };
  /** Waits until KMM has finished the work of the previous row, which must not count in the next. */
  const begin = async (): Promise<number> => {
    await rest();
    requestsBefore = plane.auditEvents(user.name).length;
    kmmBefore = kmmPatches();
    cpuBefore = operator.cpuSeconds();
    return performance.now();
  };
  const has = (version: string) => (each: Readonly<Record<string, string>>) =>
    labels.every((label) => each[label] === version);
  const loaded = moduleReadyLabel(namespace, onloadModuleName(NAME));
  const done = (began: number, version: string): Promise<number> =>
    program.tellsReady
      ? untilReady(client, namespace, began)
      : seen.until(began, (each) => has(version)(each) && loaded in each);
  const edit = (spec: object): Promise<unknown> => client.mergePatch(ONLOADS, key, { spec });

  note("process start to ready", operator.startSeconds);
  let began = performance.now();
  await client.create(ONLOADS, resource(namespace, row.sfc));
  note("applied -> all nodes labelled", await seen.until(began, has("v1")));
  note("... -> Ready (KMM)", await done(began, "v1"));

  if (row.nodes <= 100 && !row.sfc) {
    began = await begin();
    await edit({ onload: images("v2", row.sfc) });
    note("upgrade, one at a time (KMM)", await done(began, "v2"));
    if (program.tellsReady) {
      began = await begin();
      await edit({ onload: images("v3", row.sfc), upgrade: { maxUnavailable: "10%" } });
      note("upgrade, maxUnavailable 10% (KMM)", await done(began, "v3"));
    }
  }

  began = await begin();
  await client.delete(ONLOADS, key);
  note("deleted -> our labels gone", await seen.until(began, (each) => labels.every((label) => !(label in each))));
  await poll(async () => (await client.get(ONLOADS, key)) === undefined, {
    what: "The end of the resource",
    timeoutMs: PATIENCE_MS,
  });
  note("... -> resource gone (KMM)", (performance.now() - began) / 1000);
  if (program.tellsReady && row.nodes <= 100) {
    await begin();
    const alone = row.sfc ? ["alone", "alone-sfc"] : ["alone"];
    await kmmAlone(client, seen, namespace, nodes, alone, (what, seconds) => note(`KMM alone: ${what}`, seconds));
  }
  await seen.close();
  client.transport.close();
  return measures;
}

async function operatorUser(plane: ControlPlane, role: string): Promise<{ name: string; kubeconfigPath: string }> {
  const user = await plane.addUser("onload-operator");
  await plane.bind({ role, subject: { kind: "User", name: user.name } });
  return user;
}

/** Watches the resource until it is Ready with the version of its spec. */
async function untilReady(client: Client, namespace: string, began: number): Promise<number> {
  const stop = new AbortController();
  const informer = new Informer<Onload>({ client, resource: ONLOADS, namespaces: [namespace], log: silentLogger });
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const timer = setTimeout(() => reject(new Error("The resource did not become Ready in time")), PATIENCE_MS);
  informer.subscribe(({ current }) => {
    const condition = current?.status?.conditions?.find(({ type }) => type === "Ready");
    const isCurrent = current?.status?.observedGeneration === current?.metadata.generation;
    if (condition?.status === "True" && isCurrent) resolve((performance.now() - began) / 1000);
  });
  const running = informer.run(stop.signal);
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    stop.abort();
    await running;
  }
}

function resource(namespace: string, sfc: boolean): Onload {
  const spec: OnloadSpecInput = {
    selector: { onload: "yes" },
    serviceAccountName: "onload",
    onload: images("v1", sfc),
  };
  return { apiVersion: "onload.amd.com/v1alpha1", kind: "Onload", metadata: { namespace, name: NAME }, spec } as never;
}

function images(version: string, sfc: boolean): OnloadSpecInput["onload"] {
  const mapping = { regexp: ".*", kernelModuleImage: `registry/onload-module:${version}`, ...(sfc ? { sfc: {} } : {}) };
  return { kernelMappings: [mapping], userImage: `registry/onload-user:${version}`, version };
}

const peer = process.argv.find((arg) => arg.startsWith("--original="))?.slice("--original=".length);
const words = process.argv.slice(2).filter((arg) => !arg.startsWith("--"));
const rows = ROWS.filter(({ name }) => words.every((word) => name.split(/[ ,]+/).includes(word)));
// A copy, because another build may replace the executable meanwhile.
const executable = join(mkdtempSync(join(tmpdir(), "onloadctl-bench-")), "onloadctl");
copyFileSync(await builtExecutable(), executable);
const programs = [ours(executable), ...(peer === undefined ? [] : [original(peer)])];
const results: Measure[] = [];
try {
  for (const row of rows) {
    for (const program of programs) results.push(...(await measureRow(row, program)));
  }
} finally {
  rmSync(dirname(executable), { recursive: true });
}
process.stdout.write(
  formatTable(
    ["Cluster", "Work", "Seconds", "Patches/node", "Requests", "KMM's patches", "CPU s", "Resident MB", "Anonymous MB"],
    results.map((each) => [
      each.row,
      each.what,
      each.seconds.toFixed(2),
      each.patchesPerNode.toFixed(2),
      String(each.requests),
      String(each.kmmPatches),
      each.cpuSeconds.toFixed(2),
      each.residentMb.toFixed(0),
      each.anonymousMb.toFixed(0),
    ]),
  ),
);

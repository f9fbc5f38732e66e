/** What kubelets do with KMM's pods, as stages of kwok: they succeed, or fail by the tag of the module image. */
import { writeFileSync } from "node:fs";

/** Tag of a module image that loads nowhere: its worker pods crash. */
export const BROKEN = "broken";
/** Tag of a module image that no registry has. */
export const MISSING = "missing";
/** The end of a crashed worker's log. */
export const LAST_WORDS = "modprobe: ERROR: could not insert 'onload': Key was rejected by service";

const WORKER_OWNER = "NodeModulesConfig";
const PULLER_OWNER = "ModuleImagesConfig";

/** @param logFile where to keep the log that every worker has */
export function kmmKubelet(logFile: string): string[] {
  const log = `2026-01-01T00:00:00.000000000Z stderr F ${LAST_WORDS}\n`;
  writeFileSync(logFile, log);
  return [
    stage("kmm-worker-succeeds", running(WORKER_OWNER, ".spec.initContainers.[].image", "NotIn", BROKEN), succeeded),
    stage("kmm-worker-crashes", running(WORKER_OWNER, ".spec.initContainers.[].image", "In", BROKEN), crashed),
    stage("kmm-puller-succeeds", running(PULLER_OWNER, ".spec.containers.[].image", "NotIn", MISSING), succeeded),
    stage("kmm-puller-waits", running(PULLER_OWNER, ".spec.containers.[].image", "In", MISSING), backsOff),
    JSON.stringify({
      apiVersion: "kwok.x-k8s.io/v1alpha1",
      kind: "ClusterLogs",
      metadata: { name: "kmm-worker" },
      spec: { logs: [{ containers: ["worker"], logsFile: logFile, previousLogsFile: logFile }] },
    }),
  ];
}

type Expression = { key: string; operator: string; values?: string[] };

/** Pods of an owner that have just been started, by the tag of their module image. */
function running(owner: string, image: string, operator: "In" | "NotIn", tag: string): Expression[] {
  return [
    { key: ".metadata.deletionTimestamp", operator: "DoesNotExist" },
    { key: ".status.phase", operator: "In", values: ["Running"] },
    { key: ".status.containerStatuses.[].state.waiting", operator: "DoesNotExist" },
    { key: ".metadata.ownerReferences.[].kind", operator: "In", values: [owner] },
    { key: image, operator, values: [`registry/onload-module:${tag}`] },
  ];
}

function stage(name: string, matchExpressions: Expression[], status: string): string {
  return JSON.stringify({
    apiVersion: "kwok.x-k8s.io/v1alpha1",
    kind: "Stage",
    metadata: { name },
    spec: {
      resourceRef: { apiGroup: "v1", kind: "Pod" },
      selector: { matchExpressions },
      next: { statusTemplate: status },
    },
  });
}

/** Templates of a pod's new status; every container gets the same one. */
function template(phase: string, container: string): string {
  return `
phase: ${phase}
conditions:
- {type: Ready, status: "False", lastTransitionTime: {{ Now | Quote }}}
containerStatuses:
{{ range .spec.containers }}
- name: {{ .name | Quote }}
  image: {{ .image | Quote }}
  ready: false
  ${container}
{{ end }}
`;
}

const ended = (exitCode: number): string =>
  `{terminated: {exitCode: ${exitCode}, startedAt: {{ Now | Quote }}, finishedAt: {{ Now | Quote }}}}`;
const succeeded = template("Succeeded", `restartCount: 0\n  state: ${ended(0)}`);
const crashed = template(
  "Running",
  `restartCount: 1\n  lastState: ${ended(1)}\n  state: {waiting: {reason: CrashLoopBackOff, message: back-off restarting failed container}}`,
);
const backsOff = template(
  "Pending",
  `restartCount: 0\n  state: {waiting: {reason: ImagePullBackOff, message: {{ printf "Back-off pulling image %s" .image | Quote }}}}`,
);

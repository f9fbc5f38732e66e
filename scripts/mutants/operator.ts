/** Mutants of what acts, reports and remembers in internal/operator. */
import { mutantsOf, type Mutant } from "./mutant.ts";

const OPERATOR = "internal/operator";
const MODEL = `${OPERATOR}/model.test.ts`;
const RECONCILE = `${OPERATOR}/reconcile.test.ts`;
const NODES = `${OPERATOR}/reconcile-nodes.test.ts`;
const UNIT = [NODES, RECONCILE, MODEL];

export const OPERATOR_MUTANTS: Mutant[] = [
  ...mutantsOf(`${OPERATOR}/act/nodes.ts`, UNIT, {
    "no second look before a module is unloaded": [
      'if (plan.step === "UnlabelOnload" && pods.isWatched(name)) {',
      'if (plan.step === "Wait" && pods.isWatched(name)) {',
    ],
    "no second look before a node starts that nobody uses": [
      'if (plan.step === "UnlabelPlugin" && plan.facts.holders?.length === 0) {',
      'if (plan.step === "Wait" && plan.facts.holders?.length === 0) {',
    ],
    "no optimistic lock on a node": ["patch, { resourceVersion, signal });", "patch, { signal });"],
    "a plan is acted on although the cache has moved on": [
      "if (node === undefined || caches.nodes.store.get(name) !== node) {",
      "if (node === undefined) {",
    ],
    "what changes on a node is not taken into the cache": ["caches.nodes.observe(answer);", ""],
    "nodes that would be let go are looked at again and again": [
      "keepsHolders(state) || facts.letGo)",
      "keepsHolders(state))",
    ],
    "the pods of all nodes that wait are followed": ['rowOf(plan.state).step !== "Inspect");', "false);"],
    "the pods of a node that is emptied are not followed": ['rowOf(plan.state).step !== "Inspect");', "true);"],
    "what is noted on a node counts as a step": ["if (takesStep(plan)) results", "results"],
    "a failure on one node keeps the others from their steps": [
      "(overtaken ? results.overtaken : results.errors).push(asError(error));",
      "throw error;",
    ],
    "another resource's device plugin is replaced too": [
      "if (!isPluginOf(key, pod) || isTerminating(pod)) continue;",
      "if (isTerminating(pod)) continue;",
    ],
  }),
  ...mutantsOf(`${OPERATOR}/act/unanswered-patches.ts`, [`${OPERATOR}/act/unanswered-patches.test.ts`, MODEL], {
    "a PATCH that was not answered is taken for refused": ["if (isRefused(error) && before !== version) this", "this"],
    "a PATCH that was refused may have been made": [
      "if (isRefused(error) && before !== version) this.#versions.delete(node);",
      "",
    ],
    "a PATCH that is sent again and refused was not made": [
      "isRefused(error) && before !== version",
      "isRefused(error)",
    ],
    "a PATCH may have been made for ever": ["this.#versions.delete(name);\n    }", "}"],
  }),
  ...mutantsOf(`${OPERATOR}/act/patch-guard.ts`, [`${OPERATOR}/act/patch-guard.test.ts`, NODES], {
    "the same PATCH is sent as often as passes come": [
      "if (waitMs <= 0) return undefined;",
      "if (now >= sent.at) return undefined;",
    ],
    "a node that somebody else changes waits": [
      'if (!sent.taken && isNewerVersion(version, this.#known.get(node)?.version ?? "")) return undefined;',
      "",
    ],
    "what is taken back is sent again at once": ["if (!sent.taken && isNewer", "if (isNewer"],
    "nobody is told that it is taken back each time": ["return repeats > MAX_REPEATS;", "return repeats > 1e9;"],
    "what another PATCH of ours has changed counts as taken back": [
      "this.#known.get(node)?.patch === patch ? before : undefined",
      "before",
    ],
    "a refusal makes those before it forgotten": [
      "same ? same.repeats + (same.taken ? 1 : 0) : 0",
      "same?.taken ? same.repeats + 1 : 0",
    ],
    "what is taken back each time is told only while it is held": [
      "fight && waitMs > 0",
      "fight && waitMs > 0 && waitMs < FOUGHT_PATCH_MS",
    ],
    "what is taken back each time is sent as often as before": [
      "(fought ? FOUGHT_PATCH_MS : SAME_PATCH_MS)",
      "SAME_PATCH_MS",
    ],
    "our own changes count as somebody else's": [
      "version: isNewerVersion(version, before) ? version : before",
      "version: before",
    ],
    "what was sent is remembered for ever": ["    map.delete(key);\n", ""],
  }),
  ...mutantsOf(`${OPERATOR}/act/ending-namespace.ts`, [RECONCILE], {
    "a resource stays although its namespace is being deleted": [
      "await client.delete(ONLOADS, refOf(raw), { uid, signal });",
      "",
    ],
    "a resource that is being deleted is deleted again in every pass": ["deletionTimestamp !== undefined || ", ""],
  }),
  ...mutantsOf(`${OPERATOR}/report/protection.ts`, [`${OPERATOR}/report/protection.test.ts`], {
    "one policy is enough": ["wrong.length === 0", "wrong.length < PROTECTING_POLICIES.length"],
    "a binding without its policy is enough": ["if (!policy) return", "if (!policy && !binding) return"],
    "who opens the way for deletions is not told": ["if (open.length > 0) {", "if (open.length > 1e9) {"],
    "what a policy refuses is not looked at": ["policyDifference(policy) }", "undefined }"],
  }),
  ...mutantsOf(`${OPERATOR}/act/evict.ts`, UNIT, {
    "pods are always deleted by force": [
      "const isLate = forceAt !== undefined && evictor.now >= forceAt;",
      "const isLate = true;",
    ],
    "force reaches pods that have not agreed": ["isLate && pod.forceable", "isLate"],
    "force does not wait for its time": ["evictor.now >= forceAt;", "evictor.now >= 0;"],
    "an eviction is of whatever pod has the name": ["const options = { uid: pod.uid, ", "const options = { "],
    "an eviction leaves the grace period to the pod": [
      "const options = { uid: pod.uid, gracePeriodSeconds, signal };",
      "const options = { uid: pod.uid, signal };",
    ],
    "a pod that nobody would make again is evicted": [
      "(pod) => pod.evictable && !pod.terminating",
      "(pod) => !pod.terminating",
    ],
    "pods that are made again are asked at once": ["if (this.#roundAt.has(node)) return false;", ""],
    "a refused eviction is asked for again at once": [">= EVICTION_RETRY_MS)", ">= 0)"],
    "a pod that has no time to end is forgotten while it runs": ["Math.max(1, grace)", "grace"],
    "a pod that cannot be deleted counts as gone": ["const gone = force && isConflict(error);", "const gone = force;"],
    "a refusal is not remembered": ["    this.#refusals.set(uid, refusal);\n", ""],
  }),
  ...mutantsOf(`${OPERATOR}/act/finalizer.ts`, UNIT, {
    "the finalizer is not added": [
      "if (finalizers.includes(FINALIZER)) return DONE;\n  const patch = { metadata: { finalizers: [...finalizers, FINALIZER] } };",
      "return DONE;\n  const patch = { metadata: { finalizers: [...finalizers, FINALIZER] } };",
    ],
    "other finalizers go too": ["finalizers.filter((each) => each !== FINALIZER)", "finalizers.filter(() => false)"],
  }),
  ...mutantsOf(`${OPERATOR}/act/objects.ts`, UNIT, {
    "objects are applied once and never again": [
      "if (before && live && before.body === body && isUntouched(before, desired, live)) {",
      "if (before) {",
    ],
    "objects are applied in every pass": [
      "if (before && live && before.body === body && isUntouched(before, desired, live)) {",
      "if (before && !live) {",
    ],
    "an object is deleted by its name alone": ["{ uid: live.metadata.uid, signal }", "{ signal }"],
    "an object that the cache has not seen is deleted by its name alone": [
      "{ uid, signal });\n    } catch",
      "{ signal });\n    } catch",
    ],
    "an object that somebody has replaced unseen keeps the resource for ever": [
      "if (!isConflict(error)) throw error;",
      "throw error;",
    ],
    "a Module that the cache has not seen is deleted under its pods": [
      "if (resource === MODULES) await requireUnloaded(applier, desired, signal);",
      "",
    ],
    "what others have put into an object stays": [
      "const metadata = adopt(answer.metadata);",
      "const metadata = undefined as ReturnType<typeof adopt>;",
    ],
    "the Module of sfc goes although a node has it": ["...(drop.sfc ?", "...(drop ?"],
    "one object that fails is no failure": [
      'each.status === "rejected" ? [asError(each.reason)] : []',
      'each.status === "rejected" ? [] : []',
    ],
  }),
  ...mutantsOf(`${OPERATOR}/pass/act.ts`, UNIT, {
    "the resource goes before its nodes are clean": [
      "if (deleting && planned.plan.nodes.length === 0)",
      "if (deleting)",
    ],
    "nodes are started for objects that could not be applied": [
      "const plan = isComplete(objects) ? allowed : withoutStarts(allowed);",
      "const plan = allowed;",
    ],
    "no node is cleaned once KMM has been removed": [
      "if (!kmm.installed && !deleting) return NO_STEPS;",
      "if (!kmm.installed) return NO_STEPS;",
    ],
    "nodes are started without a DaemonSet": [
      "const allowed = deleting || starts ? planned.plan : withoutStarts(planned.plan);",
      "const allowed = planned.plan;",
    ],
    "labels always come before objects": ['if (firstOf(allowed) === "labels") {', "if (firstOf(allowed)) {"],
    "a plugin of another version comes to nodes where KMM has stopped": [
      "labels.plugin === undefined || labels.plugin === version",
      "labels.plugin !== version || labels.plugin === version",
    ],
    "a plugin that the nodes have does not come back where KMM has stopped": [
      "return mayServeAll(daemonSet, plan)",
      "return !mayServeAll(daemonSet, plan)",
    ],
    "steps are taken although the spec cannot work": [
      "if (!works) return workOf",
      "if (!works && deleting) return workOf",
    ],
    "a pass does not wait for its work": [
      "const [worked, logs, refused] = await Promise.allSettled([",
      "void applyDesired(deps, decision.planned, session, signal);\n  const [worked, logs, refused] = await Promise.allSettled([",
    ],
    "the Module of sfc goes while a node still has it": [
      "const unused = plan.nodes.every(",
      "const unused = true || plan.nodes.every(",
    ],
  }),
  ...mutantsOf(`${OPERATOR}/pass/report.ts`, UNIT, {
    "a clock that was set counts as time that an upgrade took": [
      "believed(since, { now, clockSetAt: planned.policy.clockSetAt })",
      "since",
    ],
    "a rollback is begun again and again": ["rollback: begun ?? standingRollback(onload),", "rollback: begun,"],
    "the last Ready version is forgotten": [
      "lastReady: planned.kmm.installed ? nextLastReady(onload, plan, held, now) : onload.status?.lastReady,",
      "lastReady: undefined,",
    ],
    "a step that is refused again and again is not told": [
      "if (!session.failing.persists(passing.length > 0, deps.monotonic())) return problems;",
      "return problems;",
    ],
  }),
  ...mutantsOf(`${OPERATOR}/reconcile.ts`, UNIT, {
    "a resource that was made again has the memory of the one before": [
      "if (known && known.uid === uid) return known;",
      "if (known) return known;",
    ],
    "nothing is remembered from pass to pass": ["this.#sessions.set(key, session);", ""],
  }),
  ...mutantsOf(`${OPERATOR}/reconcile.ts`, [`${OPERATOR}/rivals.test.ts`], {
    "who stands by answers the status of the operator that acts": ["isContested(session, raw) ? {} : ", ""],
  }),
  ...mutantsOf(`${OPERATOR}/reconcile.ts`, [`${OPERATOR}/another-operator.test.ts`], {
    "what is refused because another operator acts is a failure": ["  if (turn.isOver) turn.check();\n", ""],
    "a pass goes on once another operator is gone again": [
      "this.isOver ||= this.#yields();",
      "this.isOver = this.#yields();",
    ],
    "who stands by shows what it knew": [
      "      // What is remembered of it here is old once it is ours again.\n      this.#forget(key);\n",
      "",
    ],
    "who stops in a pass shows what it knew": [
      'because another operator acts");\n      this.#forget(key);',
      'because another operator acts");',
    ],
  }),
  ...mutantsOf(`${OPERATOR}/act/evict.ts`, [`${OPERATOR}/another-operator.test.ts`], {
    "a pod that was not asked because another operator acts has refused": [
      "signal.aborted || error instanceof LeadershipLostError",
      "signal.aborted",
    ],
  }),
  ...mutantsOf(`${OPERATOR}/report/status.ts`, UNIT, {
    "a status is written by its name alone": [
      "const body = { metadata: { ...refOf(onload), resourceVersion: current?.resourceVersion }, status };",
      "const body = { metadata: refOf(onload), status };",
    ],
    "conditions wait as counts do": [
      "if (waitMs > 0 && (isContested(memory, onload) || !isUrgent(old, status))) return waitMs;",
      "if (waitMs > 0) return waitMs;",
    ],
    "two writers answer each other at once": [
      "(isContested(memory, onload) || !isUrgent(old, status))",
      "!isUrgent(old, status)",
    ],
    "a status is written although nothing has changed": [
      "if (isDeepStrictEqual(old, JSON.parse(JSON.stringify(status)))) {",
      "if (false) {",
    ],
    "nobody is told that the resource is another each time": ["    memory.statusOvertaken = error;\n", ""],
    "a status that waits is forgotten": [
      "if (waitMs > 0 && (isContested(memory, onload) || !isUrgent(old, status))) return waitMs;",
      "if (waitMs > 0 && !isUrgent(old, status)) return undefined;",
    ],
  }),
  ...mutantsOf(`${OPERATOR}/report/event-texts.ts`, [`${OPERATOR}/report/events.test.ts`, ...UNIT], {
    "a pod that was gone is told as evicted": ['if (result === "gone") return undefined;', ""],
    "an eviction that was refused is told as done": ['if (result === "evicted" || result === "deleted")', "if (true)"],
  }),
  ...mutantsOf(`${OPERATOR}/report/events.ts`, [`${OPERATOR}/report/events.test.ts`, ...UNIT], {
    "changes of nodes are not told": ["for (const text of texts) this.report(onload, text);", ""],
    "the first plan of a process tells of every node": [
      "(previous ? NEW_NODE : beforeProcess(onload.status, node))",
      "NEW_NODE",
    ],
    "the first plan of a process tells of no node": [
      "eventsOfChange(old ?? (previous ? NEW_NODE : beforeProcess(onload.status, node)), node)",
      "old || previous ? eventsOfChange(old ?? NEW_NODE, node) : []",
    ],
    "a node that is clean is not told": ["this.report(onload, eventOfCleaned(name));", ""],
  }),
  ...mutantsOf(`${OPERATOR}/observe/failure-logs.ts`, UNIT, {
    "a pod's log is read once and never again": [
      "if (read.restarts === restarts || monotonic < read.notBefore) return;",
      "if (read.restarts !== undefined || monotonic < read.notBefore) return;",
    ],
    "a new text changes no revision": [
      "this.#logs.set(uid, text);\n    this.#revision++;",
      "this.#logs.set(uid, text);",
    ],
    "the log of the container that runs is read, not of the one that failed": [
      "previous: restarts > 0,",
      "previous: false,",
    ],
  }),
  ...mutantsOf(`${OPERATOR}/observe/preflight.ts`, UNIT, {
    "a ServiceAccount that is missing is no problem": [
      "return { reason: REASON.ServiceAccountMissing, message };",
      "return undefined;",
    ],
    "a lookup that fails fails the pass": [
      "signal.throwIfAborted();\n    return { reason: REASON.ServiceAccountUnknown",
      "throw error;\n    return { reason: REASON.ServiceAccountUnknown",
    ],
  }),
  ...mutantsOf(`${OPERATOR}/cache/node-pods.ts`, [`${OPERATOR}/cache/node-pods.test.ts`, ...UNIT], {
    "a look from before the plugin went counts": [
      "if (!inspection || (withoutPlugin !== undefined && inspection.plugins.has(withoutPlugin))) return undefined;",
      "if (!inspection) return undefined;",
    ],
    "pods on a node are not followed": ["known ?? (follow ?", "known ?? (!follow ?"],
    "pods that have ended hold amd.com/onload": [
      "return holdsOnload(pod) && !isFinished(pod);",
      "return holdsOnload(pod);",
    ],
  }),
  ...mutantsOf(`${OPERATOR}/cache/holders.ts`, [`${OPERATOR}/cache/holders.test.ts`, MODEL], {
    "init containers hold nothing": ["...(pod.spec?.initContainers ?? []),", ""],
    "a quantity that cannot be read holds nothing": [
      "return parseQuantity(list?.[ONLOAD_RESOURCE] ?? 0) ?? 1;",
      "return parseQuantity(list?.[ONLOAD_RESOURCE] ?? 0) ?? 0;",
    ],
  }),
  ...mutantsOf(`${OPERATOR}/cache/trim.ts`, [`${OPERATOR}/cache/trim.test.ts`, ...UNIT], {
    "a node's cordon is not kept": ['...only("spec", cordonOf(node)),', ""],
    "a node's boot is not kept": ['...only("bootID", nodeInfo?.bootID),', ""],
    "a node's operating system is not kept": ['...only("operatingSystem", nodeInfo?.operatingSystem),', ""],
    "what fails in a pod is not kept": ["trimmed.containerStatuses = containers(status.containerStatuses);", ""],
    "by which labels a pod was placed is not kept": [
      "if (nodeSelector !== undefined) spec.nodeSelector = nodeSelector;",
      "",
    ],
    "whether the DaemonSet was seen is not kept": [
      'status: { ...only("observedGeneration", daemonSet.status?.observedGeneration) },',
      "status: {},",
    ],
  }),
  ...mutantsOf(`${OPERATOR}/rollout/slots.ts`, [`${OPERATOR}/rollout/slots.test.ts`, MODEL], {
    "one node more than may be is taken down": [
      'return holders.length < maxUnavailable ? start(node) : "NoFreeSlot";',
      'return holders.length <= maxUnavailable ? start(node) : "NoFreeSlot";',
    ],
    "labels that are lost during an upgrade are no mistake": [
      "losing + interrupted.length > maxUnavailable",
      "losing > maxUnavailable",
    ],
    "a node that an upgrade has out goes before it is known who else would lose pods": [
      "!policy.letGoConfirmed && unknown > 0 &&",
      "!policy.letGoConfirmed && unknown < 0 &&",
    ],
    "a node that is let go already counts as one that an upgrade has out": ["&& !stepRecord.letGo &&", "&&"],
    "a node whose PATCH may have been made holds no slot": ["if (isHolding || isUnanswered(node))", "if (isHolding)"],
    "a node whose PATCH may have been made waits for a slot": [
      "if (isUnanswered(node)) return again(node);\n    if (isAvailable(node))",
      "if (isAvailable(node))",
    ],
    "a node whose PATCH may have been made starts beside one that is out": [
      "holders.filter((each) => each !== node).length < maxUnavailable",
      "maxUnavailable > 0",
    ],
    "a percentage is rounded up": [
      "Math.floor((Number(percent[1]) * total) / 100)",
      "Math.ceil((Number(percent[1]) * total) / 100)",
    ],
    "a node that may be about to serve starts before one that serves nobody": [
      "else if (node.facts.allocatable > 0) unsure.push(node);",
      "",
    ],
    "a start without a slot does not count for the next": ["busy++;\n    return free;", "return free;"],
  }),
  ...mutantsOf(`${OPERATOR}/rollout/policy.ts`, [`${OPERATOR}/rollout/policy.test.ts`, MODEL], {
    "nodes that an upgrade has out are none of those of which a percentage is meant": [
      " || node.stepRecord !== undefined",
      "",
    ],
  }),
  ...mutantsOf(`${OPERATOR}/rollout/selector-change.ts`, [`${OPERATOR}/rollout/selector-change.test.ts`, MODEL], {
    "any selector holds at once": ["if (affected.length > maxUnavailable) {", "if (affected.length > 1e9) {"],
    "a selector comes to hold while an upgrade has nodes out": ["[...whole, ...nodes.filter(isBetween)]", "[...whole]"],
    "a selector holds without a look for pods": ["return isLookedAt ? {", "return next ? {"],
    "what was held back comes to hold when its pods have left": [
      "affected = countedNodes(nodes, letGo, serving, isHeldBack)",
      "affected = countedNodes(nodes, letGo, serving, false)",
    ],
    "no confirmation is needed": ["if (isConfirmed(onload, next)) return", "if (next) return"],
  }),
  ...mutantsOf(`${OPERATOR}/rollout/confirmation.ts`, [`${OPERATOR}/rollout/selector-change.test.ts`], {
    "a confirmation counts for another resource": ["[uid, generation, selector]", "[generation, selector]"],
    "a confirmation counts for another selector": ["[uid, generation, selector]", "[uid, generation]"],
  }),
  ...mutantsOf(`${OPERATOR}/observe/ownership.ts`, [`${OPERATOR}/observe/node.test.ts`, MODEL], {
    "age decides about a node that somebody has": ["has(b) - has(a) || older(a, b)", "older(a, b)"],
    "a resource begins where another's drivers still are": [
      "carriesLabels(node, owner) || stepRecordAnnotation(owner) in (node.metadata.annotations ?? {})",
      "carriesLabels(node, owner)",
    ],
    "the younger resource keeps the node": ["a.created < b.created ? -1 :", "a.created < b.created ? 1 :"],
  }),
];

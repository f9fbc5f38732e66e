/** Mutants of what is read of objects, of what is asked for by them, and of what is told of both. */
import { mutantsOf, type Mutant } from "./mutant.ts";

const OPERATOR = "internal/operator";

export const READING_MUTANTS: Mutant[] = [
  ...mutantsOf(`${OPERATOR}/observe/cluster.ts`, [`${OPERATOR}/observe/cluster.test.ts`], {
    "force reaches a namespace that is not known": [
      "namespace !== undefined && agreesToForce(namespace)",
      "namespace === undefined || agreesToForce(namespace)",
    ],
    "sfc has the images of onload": ["sfc: images(sfcModuleName(name))", "sfc: images(onloadModuleName(name))"],
    "of two resources the name decides, not the age": ['created: creationTimestamp ?? ""', 'created: ""'],
  }),
  ...mutantsOf(`${OPERATOR}/observe/node.ts`, [`${OPERATOR}/observe/node.test.ts`], {
    "a node of which nothing is heard is Ready": ['ready?.status === "True",', 'ready?.status !== "False",'],
    "since when a node is not Ready is not known": [
      "readySince: parseTime(ready?.lastTransitionTime),",
      "readySince: undefined,",
    ],
    "a cordon's taint keeps KMM away beside the cordon": [
      "[UNSCHEDULABLE_TAINT, ...NOT_READY_TAINTS]",
      "[...NOT_READY_TAINTS]",
    ],
    "another resource's plugin is taken for its own": ["plugins.filter((pod) => isPluginOf(key, pod))", "[...plugins]"],
    "an image that cannot be pulled is a plugin that fails": [
      'failure?.kind === "image" ?',
      'failure?.kind === "run" ?',
    ],
    "a plugin has to have gone with the first of its pods": [
      "times.length > 0 ? Math.max(...times)",
      "times.length > 0 ? Math.min(...times)",
    ],
    "a node with a failure on record is none of the resource's": [
      "recordAnnotations(owner).some((name) => name in annotations)",
      "false",
    ],
    "every node but one is the operator's own": [
      "ownNode: name === resource.ownNode",
      "ownNode: name !== resource.ownNode",
    ],
  }),
  ...mutantsOf(`${OPERATOR}/observe/ownership.ts`, [`${OPERATOR}/observe/ownership.test.ts`], {
    "who does not select a node is told who keeps it": ["mine > 0 ?", "mine !== 0 && owners.length > 0 ?"],
    "nodes that stay selected are let go": [
      "nextSelector !== undefined && !hasLabels",
      "nextSelector !== undefined && hasLabels",
    ],
    "what reminds KMM of a node is nobody's": [
      "[pluginLabel(key), ...moduleLabels, reminderLabel(key)]",
      "[pluginLabel(key), ...moduleLabels]",
    ],
  }),
  ...mutantsOf(`${OPERATOR}/observe/preflight.ts`, [`${OPERATOR}/observe/preflight.test.ts`], {
    "a selector that no label can have is taken": ["find((key) => !LABEL_KEY.test(key))", "find(() => false)"],
    "a ServiceAccount that is missing is looked for again in five minutes": [
      "(last.problem ? PROBLEM_MS : FOUND_MS)",
      "FOUND_MS",
    ],
    "a ServiceAccount of another name is known from the one before": [
      "last?.name === name && now",
      "last !== undefined && now",
    ],
    "the lookup of a ServiceAccount has no end": ["{ signal, timeoutMs: LOOKUP_TIMEOUT_MS }", "{ signal }"],
  }),
  ...mutantsOf(`${OPERATOR}/observe/refused-pods.ts`, [`${OPERATOR}/observe/refused-pods.test.ts`], {
    "what was refused is quoted although no pod is awaited": [
      "if (awaitedSince === undefined) return { changed: this.#set({}), againMs: undefined };",
      "if (awaitedSince === undefined) return { changed: false, againMs: undefined };",
    ],
    "pauses between two looks at events grow without an end": [
      "Math.min(Math.max(waited / 4, MIN_INTERVAL_MS), MAX_INTERVAL_MS)",
      "Math.max(waited / 4, MIN_INTERVAL_MS)",
    ],
    "the time of an event that was repeated is lost": ["...(series ? { series } : {}),", ""],
  }),
  ...mutantsOf(`${OPERATOR}/observe/refusal-remedy.ts`, [`${OPERATOR}/observe/refusal-remedy.test.ts`], {
    "an operator's pod is to have the rights of Onload's": ['case "scc":\n', ""],
  }),
  ...mutantsOf(`${OPERATOR}/observe/failure-logs.ts`, [`${OPERATOR}/observe/failure-logs.test.ts`], {
    "the logs of sfc's pods are not read": ["onload.failure ?? sfc.failure", "onload.failure"],
    "logs are read on as many nodes as have failed": [
      ".slice(0, MAX_NODES)\n    .flatMap((node) => kmmPods",
      ".flatMap((node) => kmmPods",
    ],
    "logs are remembered for ever": ["if (this.#reads.size <= MAX_PODS) break;", "break;"],
    "an empty log takes what is known": ['if (text !== "") this.#set(uid, text);', "this.#set(uid, text);"],
    "what was said first of a Secret counts": ["b.at - a.at", "a.at - b.at"],
    "an init container that ends again is not noticed": [
      "[...containerStatuses, ...initContainerStatuses].reduce",
      "[...containerStatuses].reduce",
    ],
  }),
  ...mutantsOf(`${OPERATOR}/observe/step-record.ts`, [`${OPERATOR}/observe/step-record.test.ts`], {
    "a step of an earlier version begins anew": [
      "recorded === attempt || recorded === formerAttempt",
      "recorded === attempt",
    ],
  }),
  ...mutantsOf(`${OPERATOR}/observe/rivals.ts`, [`${OPERATOR}/rivals.test.ts`], {
    "a Lease's annotation may be of any length": [
      "holder === undefined || holder.length > MAX_HOLDER",
      "holder === undefined",
    ],
    "who takes a Lease is known to renew it": [
      "!isSame || before.lease.spec?.holderIdentity !== lease.spec?.holderIdentity",
      "!isSame",
    ],
  }),
  ...mutantsOf(`${OPERATOR}/assess/assess.ts`, [`${OPERATOR}/assess/assess.test.ts`], {
    "a kernel that KMM cannot take is mapped": ["mapping !== undefined && !kernelRefused", "mapping !== undefined"],
    "sfc is replaced that the node has loaded at boot": ["sfcMapped && sfcAtBoot === undefined", "sfcMapped"],
    "an image of sfc is missing where sfc is not managed": [
      "module: sfcManaged ? modules.sfc : undefined",
      "module: modules.sfc",
    ],
    "an sfc that a Module still loads is abandoned": ["!isLoadedBy(wanted.liveSfc, seen.labels.sfc, kernel)", "true"],
    "an sfc that no Module loads is never abandoned": [
      "sfcAbandoned: !sfcManaged &&",
      "sfcAbandoned: false && !sfcManaged &&",
    ],
    "the version of the plugin's pod is not known": ["version: made?.version", "version: undefined"],
    "a plugin of another version is current": ["pod.version === version && (template", "(template"],
    "a plugin that goes is of an older template": [
      "current: made === undefined || isCurrent(made)",
      "current: made !== undefined && isCurrent(made)",
    ],
    "sfc obeys the load label of onload": [
      "loadLabelFacts(seen.loadLabels.sfc, modules.sfc)",
      "loadLabelFacts(seen.loadLabels.sfc, modules.onload)",
    ],
  }),
  ...mutantsOf(`${OPERATOR}/assess/taints.ts`, [`${OPERATOR}/assess/taints.test.ts`], {
    "a toleration without a key tolerates by its value": [
      '(key ? (value ?? "") === (taint.value ?? "") : false)',
      '(value ?? "") === (taint.value ?? "")',
    ],
  }),
  ...mutantsOf(`${OPERATOR}/desired/keep-mappings.ts`, [`${OPERATOR}/desired/keep-mappings.test.ts`], {
    "a mapping of a person goes": ["literal === undefined || used.has(literal)", "literal === undefined"],
    "mappings are kept for ever": ["literal === undefined || used.has(literal)", "true"],
    "what is kept has no order of its own": [".toSorted((a, b) => (a.literal! < b.literal! ? -1 : 1))", ""],
  }),
  ...mutantsOf(`${OPERATOR}/desired/keep-tolerations.ts`, [`${OPERATOR}/desired/objects.test.ts`], {
    "a toleration that is written in another way is another one": ['operator = "Equal"', 'operator = "Exists"'],
  }),
  ...mutantsOf(`${OPERATOR}/desired/hold-back.ts`, [`${OPERATOR}/desired/hold-back.test.ts`], {
    "a pull secret goes under loaded modules": [
      "if (imageRepoSecret !== undefined) apply.spec.imageRepoSecret = { ...imageRepoSecret };",
      "",
    ],
    "what was Ready before counts more than what is there": [
      "[inUse.live, inUse.lastReady].find",
      "[inUse.lastReady, inUse.live].find",
    ],
    "what is kept for one kernel stands before the rest": ["(mayMap(desired, kernel) ? first : last)", "first"],
  }),
  ...mutantsOf(`${OPERATOR}/kmm/kmm1.ts`, [`${OPERATOR}/kmm/module-observation.test.ts`], {
    "the first loader counts, and not that which is Ready": ["loaders.find(isReady) ?? loaders[0]", "loaders[0]"],
    "any pod of KMM is a loader": [
      '.filter(\n      ({ metadata }) => metadata.labels?.[KMM_ROLE_LABEL] === "module-loader",\n    )',
      "",
    ],
    "without a loader the load label works when it is off": [
      "label in selector : value === ON",
      "label in selector : value === OFF",
    ],
    "what a KMM that is gone has left counts": [
      "super.observeModule(ref, { ...inputs, kmmPods: [] })",
      "super.observeModule(ref, inputs)",
    ],
  }),
  ...mutantsOf(`${OPERATOR}/kmm/kmm1.ts`, [`${OPERATOR}/kmm/labels.test.ts`], {
    "the load label is put where nobody asks for it": ["const rest = label.required", "const rest = !label.required"],
    "modules are unloaded by their versions' labels": [
      "if (label.effective) return { [loadLabel(ref.namespace, ref.module)]: OFF };",
      "",
    ],
  }),
  ...mutantsOf(`${OPERATOR}/kmm/kmm2.ts`, [`${OPERATOR}/kmm/module-observation.test.ts`], {
    "a module is loaded before KMM's label says so": [
      "settled && hasReadyLabel ? readyVersion",
      "settled ? readyVersion",
    ],
    "a Module of another namespace is the same": [
      "entry.namespace === namespace && entry.name === module",
      "entry.name === module",
    ],
    "an image that is only wanted has been loaded": [
      "imageOn(node, loaded ?? wanted)",
      "imageOn(node, wanted ?? loaded)",
    ],
  }),
  ...mutantsOf(`${OPERATOR}/kmm/kmm2.ts`, [`${OPERATOR}/kmm/labels.test.ts`], {
    "KMM 2.0 loads on cordoned nodes": [
      "this.skipsCordonedNodes = !capabilities.tolerations",
      "this.skipsCordonedNodes = false",
    ],
  }),
  ...mutantsOf(`${OPERATOR}/kmm/module-config.ts`, [`${OPERATOR}/kmm/module-config.test.ts`], {
    "an image that is kept is built again": [
      "const { regexp: _, literal: __, build: ___, ...rest }",
      "const { regexp: _, literal: __, ...rest }",
    ],
    "a kernel that is kept has a name that KMM does not compare": ["literal: kernelName(kernel)", "literal: kernel"],
    "a mapping that cannot be evaluated gives no kernel anything": [
      "mapping !== undefined || problem !== undefined",
      "mapping !== undefined",
    ],
  }),
  ...mutantsOf(`${OPERATOR}/kmm/images.ts`, [`${OPERATOR}/kmm/images.test.ts`], {
    "why the last pull failed is not told": ['if (waiting?.reason === "ErrImagePull")', 'if (waiting?.reason === "")'],
  }),
  ...mutantsOf(`${OPERATOR}/report/status.ts`, [`${OPERATOR}/report/status.test.ts`], {
    "a headline may move the cursor": [
      "{ headline: safe(MAX_CONDITION)(status.headline) }",
      "{ headline: status.headline }",
    ],
    "a selector that holds waits as counts do": ["!isDeepStrictEqual(old.selector, status.selector) ||", ""],
    "the version to go back to waits as counts do": [
      "!isDeepStrictEqual(old.rollback, status.rollback) ||\n    !isDeepStrictEqual(old.lastReady, status.lastReady)",
      "!isDeepStrictEqual(old.rollback, status.rollback)",
    ],
    "what was reported of nodes goes with a spec that cannot be read": [
      "...structuredClone(old), observedGeneration",
      "observedGeneration",
    ],
    "a spec that cannot be read is nothing to worry about": [
      'drafterOf(CONDITION.Degraded)("True", reason, message),',
      'drafterOf(CONDITION.Degraded)("False", reason, message),',
    ],
  }),
  ...mutantsOf(`${OPERATOR}/report/headline.ts`, [`${OPERATOR}/report/headline.test.ts`], {
    "what is under way comes before what needs a person": [
      'find(CONDITION.Degraded, "True") ??\n    find(CONDITION.Progressing, "True") ??',
      'find(CONDITION.Progressing, "True") ??\n    find(CONDITION.Degraded, "True") ??',
    ],
    "that there is nothing to do explains why nodes are not ready": [
      "(waits?.reason === REASON.AsExpected ? undefined : waits) ??",
      "waits ??",
    ],
  }),
  ...mutantsOf(`${OPERATOR}/report/tally.ts`, [`${OPERATOR}/report/condition-details.test.ts`], {
    "a node is updated without the label of sfc": [" && (!sfcManaged || labels.sfc === want)", ""],
  }),
  ...mutantsOf(`${OPERATOR}/report/conditions.ts`, [`${OPERATOR}/report/condition-details.test.ts`], {
    "a standstill that has ended gives the next one its time": [
      '(stalled === "noted" ? status?.stalledSince : undefined)',
      "status?.stalledSince",
    ],
    "nodes that come are let go if another one is": [
      "moving.every(({ facts }) => facts.want === undefined)",
      "moving.some(({ facts }) => facts.want === undefined)",
    ],
    "a node's failure hides what is wrong with the whole resource": [
      "problems[0]?.reason ?? REASON.NodesFailed",
      "failed.length > 0 ? REASON.NodesFailed : problems[0]!.reason",
    ],
    "a condition's time changes with its reason": [
      "const same = before?.status === draft.status;",
      "const same = before?.status === draft.status && before.reason === draft.reason;",
    ],
  }),
  ...mutantsOf(`${OPERATOR}/report/conditions.ts`, [`${OPERATOR}/report/conditions.test.ts`], {
    "without KMM a resource may be Ready": [
      "reason === REASON.KmmNotInstalled || reason === REASON.InvalidSpec",
      "reason === REASON.InvalidSpec",
    ],
    "a resource that was rolled back is Ready": [
      'if (rollback) return draft("False", REASON.RolledBack, `${counts}, after',
      'if (false && rollback) return draft("False", REASON.RolledBack, `${counts}, after',
    ],
  }),
  ...mutantsOf(`${OPERATOR}/report/events.ts`, [`${OPERATOR}/report/events.test.ts`], {
    "an event names no node": [
      '...(text.node === undefined ? {} : { related: { apiVersion: "v1", kind: NODES.kind, name: text.node } }),',
      "",
    ],
    "a failure that was told before counts again": [
      'node.problem?.failed && texts.some(({ type }) => type === "Warning")',
      "node.problem?.failed",
    ],
    "the log forgets nothing of a resource that is gone": [
      "this.#metrics.forget(key);\n    this.#log.forget(key);",
      "this.#metrics.forget(key);",
    ],
  }),
  ...mutantsOf(`${OPERATOR}/report/event-texts.ts`, [`${OPERATOR}/report/event-texts.test.ts`], {
    "a failure of another kind is not told": [
      '`${problem.failed ? "failed" : state} ${problem.reason}`',
      '`${problem.failed ? "failed" : state}`',
    ],
    "what Degraded tells is told once more": ["if (condition.type === CONDITION.Stalled) return [];", ""],
  }),
  ...mutantsOf(`${OPERATOR}/report/metrics.ts`, [`${OPERATOR}/report/metrics.test.ts`], {
    "a state without nodes is not told": [
      "for (const state of NODE_STATES) this.#nodes.set({ ...labelsOf(key), state }, counts.get(state) ?? 0);",
      "for (const [state, count] of counts) this.#nodes.set({ ...labelsOf(key), state }, count);",
    ],
    "durations are in milliseconds": [
      "this.#upgradeDuration.observe(labelsOf(key), ms / 1000)",
      "this.#upgradeDuration.observe(labelsOf(key), ms)",
    ],
    "the first eviction cannot be seen": [
      "for (const result of EVICTION_RESULTS) this.#evictions.inc({ ...labelsOf(key), result }, 0);",
      "",
    ],
    "the series of steps outlive their resource": [
      "for (const step of steps) this.#steps.remove({ ...labelsOf(key), step });",
      "",
    ],
  }),
  ...mutantsOf(
    `${OPERATOR}/cache/trim.ts`,
    [`${OPERATOR}/cache/trim.test.ts`, `${OPERATOR}/cache/trim-kinds.test.ts`],
    {
      "a taint's value is not kept": ['({ key, ...only("value", value), effect })', "({ key, effect })"],
      "which MachineConfigs a node has is not kept": [
        "name.startsWith(`${ONLOAD_GROUP}/`) || CONFIG_ANNOTATIONS.includes(name)",
        "name.startsWith(`${ONLOAD_GROUP}/`)",
      ],
      "a namespace's consent to force is not kept": [
        "[FORCE_ANNOTATION, ALLOW_DELETION_ANNOTATION]",
        "[ALLOW_DELETION_ANNOTATION]",
      ],
      "where a policy is in force is not kept": ['...only("matchResources", matchResources),', ""],
      "for which node a pod is made is not kept": ["pod.spec?.nodeName ?? targetNode(pod)", "pod.spec?.nodeName"],
      "the end of what the kubelet says is not kept": [
        "${message.slice(0, MESSAGE_END)} ... ${message.slice(-MESSAGE_END)}",
        "${message.slice(0, 2 * MESSAGE_END)}",
      ],
    },
  ),
  ...mutantsOf(`${OPERATOR}/cache/pods.ts`, [`${OPERATOR}/cache/pod-states.test.ts`], {
    "a pod has ended with one of its containers": [
      "[...containers, ...initContainers].every(",
      "[...containers, ...initContainers].some(",
    ],
    "a pod that goes is Ready": ["!isTerminating(pod) && readyCondition", "readyCondition"],
    "a pod is as old as it is, however it changes": [
      "times.length > 0 ? Math.max(...times) : undefined;\n}\n\nfunction readyCondition",
      "times.length > 0 ? Math.min(...times) : undefined;\n}\n\nfunction readyCondition",
    ],
  }),
  ...mutantsOf(`${OPERATOR}/cache/holders.ts`, [`${OPERATOR}/cache/holders.test.ts`], {
    "an owner that is no controller makes pods again": ["find(({ controller }) => controller)", "find(() => true)"],
    "a pod that goes is asked to go": ["terminating: isTerminating(pod)", "terminating: false"],
  }),
];

/** Mutants of what observes, decides and remembers in internal/operator. */
import { mutantsOf, type Mutant } from "./mutant.ts";

const OPERATOR = "internal/operator";
const ROLLOUT = `${OPERATOR}/rollout`;
const MODEL = `${OPERATOR}/model.test.ts`;
const MEMO = `${OPERATOR}/memo.test.ts`;
const RECONCILE = `${OPERATOR}/reconcile.test.ts`;
const NODES = `${OPERATOR}/reconcile-nodes.test.ts`;
const STATES = `${ROLLOUT}/states.test.ts`;
const COLUMNS = ["awaited", "cordon", "failure", "slots", "taint"].map((name) => `${ROLLOUT}/${name}.test.ts`);
const HOLD_BACK = [`${OPERATOR}/desired/hold-back.test.ts`, `${OPERATOR}/desired/objects.test.ts`, MODEL];

export const DECIDING_MUTANTS: Mutant[] = [
  ...mutantsOf("internal/api/kernel-mapping.ts", ["internal/api/kernel-mapping.test.ts"], {
    "an empty expression matches every kernel": [
      "if (!mapping.regexp) continue;",
      "if (mapping.regexp === undefined) continue;",
    ],
    "the mapping behind one that cannot be evaluated is taken": [
      "return { mapping: undefined, problem: `",
      "continue;\n      return { mapping: undefined, problem: `",
    ],
    "a list of any size is evaluated": ["if (instructions > MAX_INSTRUCTIONS)", "if (instructions < 0)"],
    "a list is evaluated anew for each node": ["if (known) return known;", ""],
    "one kernel's mapping is given for another": ["byKernel.get(kernel)", "[...byKernel.values()][0]"],
    "the plus at the end of a kernel version counts": ["= kernelName(kernelVersion);", "= kernelVersion;"],
  }),
  ...mutantsOf(
    "internal/api/kernel-regexp.ts",
    ["internal/api/kernel-regexp.test.ts", "internal/api/kernel-mapping.test.ts"],
    {
      "a program of any size is compiled": ["if (size > MAX_INSTRUCTIONS)", "if (size > 1e9)"],
      "a kernel version of any length is matched": [
        "if (kernel.length > MAX_KERNEL_CHARACTERS)",
        "if (kernel.length < 0)",
      ],
      "one kernel's answer is given for another": ["answers.get(kernel)", "[...answers.values()][0]"],
    },
  ),
  ...mutantsOf("internal/api/regexp-size.ts", ["internal/api/kernel-regexp.test.ts"], {
    "a count counts once": ["* Math.max(1, Number(count[1]), Number(count[2] ?? 0))", ""],
    "a class ends at its first bracket": ['=== "]" && !first', '=== "]"'],
    "what is quoted is not counted": ["for (const _ of quoted[1]!) add(1);", ""],
  }),
  ...mutantsOf(`${OPERATOR}/desired/hold-back.ts`, HOLD_BACK, {
    "an expression that cannot be evaluated chooses nothing": [
      "if (was.problem !== undefined || want.problem !== undefined) return false;",
      "",
    ],
    "an image that is named in another way is another one": [
      "imageWas === imageWanted &&",
      "was.mapping.containerImage === want.mapping.containerImage &&",
    ],
    "any image is the same": ["imageWas === imageWanted &&", ""],
    "a labelled node without a mapping waits for what is held back for others": [
      "...(inUse.idleKernels ?? []), ...unmapped].some(",
      "...(inUse.idleKernels ?? [])].some(",
    ],
  }),
  ...mutantsOf(`${OPERATOR}/observe/cluster.ts`, [MEMO, NODES, RECONCILE, MODEL], {
    "a log that has changed does not reach what is remembered": [
      "`${contextRevision} ${logsRevision}`",
      "`${contextRevision}`",
    ],
    "what is the same for all nodes does not reach what is remembered": [
      "`${contextRevision} ${logsRevision}`",
      "`${logsRevision}`",
    ],
    "a pod of KMM that changes does not reach what is remembered": [
      '    kmmPods.store.changedSince(last.kmmPods, "node"),\n',
      "",
    ],
    "a plugin's pod that changes does not reach what is remembered": [
      '    plugins.store.changedSince(last.plugins, "node"),\n',
      "",
    ],
    "pods that hold amd.com/onload do not reach what is remembered": [
      "...memo.fleeting, ...collected.pods.inspected()",
      "...memo.fleeting",
    ],
    "pods that are followed no more do not reach what is remembered": [
      "...memo.fleeting, ...collected.pods.inspected()",
      "...collected.pods.inspected()",
    ],
    "a node that goes stays": ["      else memo.forget(name);\n", ""],
    "a look that is broken off counts": ["  memo.begin();\n", "  memo.end(seen);\n"],
    "pods that were listed while the plugin was there count": [
      "holdersOn(name, label in labels ? undefined : plugin, collected, force)",
      "holdersOn(name, undefined, collected, force)",
    ],
  }),
  ...mutantsOf(`${ROLLOUT}/states.ts`, COLUMNS, {
    "a node on which the plugin starts is not known for it": ['    plugin: "starts",\n', ""],
    "a node on which the plugin stops is not known for it": ['    plugin: "stops",\n', ""],
    "a node that is drained is not known for it": ["    drains: true,\n", ""],
    "a state that waits for the template is not known for it": ["    needsTemplate: true,\n", "", STATES],
    "a node whose plugin is to be replaced is not known for it": ['    plugin: "is replaced",\n', ""],
    "that sfc is gone under onload is not known": ['    lacks: { module: "sfc", limit: "step" },\n', ""],
    "a node on which nothing is left to do is not known for it": ["    complete: true,\n", ""],
    "a node of others concerns everybody": ["    absent: true,\n", ""],
    "a node that another resource keeps is out of service": ['    obstacle: "resource",\n', ""],
    "a node that is cordoned before anything is begun has no problem": ['    obstacle: "cordon",\n', ""],
    "a node that is tainted before anything is begun has no problem": ['    obstacle: "taint",\n', ""],
    "a node without a mapping has no problem": ['    obstacle: "kernel",\n', ""],
  }),
  ...mutantsOf(`${OPERATOR}/memo.ts`, [MEMO, MODEL], {
    "nodes that come later are planned last": ["if (!known) this.#joined = true;", ""],
    "a plan outlives the nodes that it was made for": ["    if (known.facts) this.#revision++;\n", ""],
    "what is in use outlives the nodes that use it": [
      "    this.#entries.delete(name);\n    this.#changes();",
      "    this.#entries.delete(name);\n    this.#list = undefined;",
    ],
    "a node that concerns nobody any more stays in the plan": [
      "if (observation === undefined && known?.facts) this.#revision++;",
      "",
    ],
    "the list of nodes is made once": [
      "    this.#observations++;\n    this.#list = undefined;",
      "    this.#observations++;",
    ],
    "facts do not follow the objects": [
      "if (entry.facts && entry.assessed === wanted) return entry.facts;",
      "if (entry.facts) return entry.facts;",
    ],
  }),
  ...mutantsOf(
    `${OPERATOR}/kmm/kmm2.ts`,
    [`${OPERATOR}/kmm/images.test.ts`, `${OPERATOR}/kmm/module-observation.test.ts`],
    {
      "signs that a tag cannot hold stay in an image's name": ["kernelTag(kernelVersion)", "kernelName(kernelVersion)"],
      "what was loaded before a reboot counts": ["loaded !== undefined && sameBoot &&", "loaded !== undefined &&"],
    },
  ),
  ...mutantsOf(`${OPERATOR}/kmm/refused-kernel.ts`, [`${OPERATOR}/kmm/refused-kernel.test.ts`, RECONCILE], {
    "KMM takes kernels of two parts": [".length >= 3) return", ".length >= 2) return"],
    "KMM 1.1 can label a node of every kernel": ["if (LABEL_VALUE.test(kernelName(kernelVersion)))", "if (true)"],
    "the plus at the end of a kernel version is part of the label": [
      "LABEL_VALUE.test(kernelName(kernelVersion))",
      "LABEL_VALUE.test(kernelVersion)",
    ],
    "an image may have any name": ['image.includes("$") || IMAGE.test(image)', "true"],
    "a variable that is left spoils an image's name": ['image.includes("$") || ', ""],
    "KMM looks at nodes that the Module does not select": ["hasLabels(module.spec.selector, labels) && ", ""],
    "KMM takes the parts of kernels that no mapping matches": [
      " && mappingFor(module, kernelOf(node)) !== undefined",
      "",
    ],
    "what stops all is said of one node": ["    stopsAll: true,\n", ""],
  }),
  ...mutantsOf(`${OPERATOR}/kmm/regexp-stop.ts`, [`${OPERATOR}/kmm/regexp-stop.test.ts`, RECONCILE], {
    "an expression stops every KMM": ["if (!kmm.tellsImages) return undefined;", ""],
    "an expression is read for nodes that the Module does not select": [
      "faulty.find(({ selector }) => hasLabels(selector, metadata.labels ?? {}))",
      "faulty[0]",
    ],
    "a version that is no kernel's stops all": ["if (kernel.length > MAX_KERNEL_CHARACTERS) continue;", ""],
  }),
  ...mutantsOf(`${OPERATOR}/plan.ts`, [RECONCILE], {
    "an expression that stops KMM is not looked for": [
      "kernelStop(refused, modules) ??\n    ",
      "kernelStop(refused, modules) && ",
    ],
  }),
  ...mutantsOf(`${OPERATOR}/plan.ts`, [MEMO, RECONCILE], {
    "what is wanted does not follow the version that nodes went back to": ["spec, status?.lastReady]);", "spec]);"],
    "facts do not follow the images that KMM finds": [
      "version, specs, images, stop, tolerations, template]",
      "version, specs, stop, tolerations, template]",
    ],
    "facts do not follow what stops KMM": [
      "version, specs, images, stop, tolerations, template]",
      "version, specs, images, tolerations, template]",
    ],
    "facts do not follow the tolerations": [
      "version, specs, images, stop, tolerations, template]",
      "version, specs, images, stop, template]",
    ],
    "plans do not follow the policy": [
      "memo.plan.get(\n    `${memo.nodes.revision} ${rules}`",
      "memo.plan.get(\n    `${memo.nodes.revision}`",
    ],
  }),
  ...mutantsOf(`${OPERATOR}/desired/in-use.ts`, HOLD_BACK, {
    "Modules change under nodes that are to lose them": [
      "if (!onload && !sfc && !onloadAlone) return",
      "if (node.want === undefined || (!onload && !sfc && !onloadAlone)) return",
    ],
    "a Module's selector changes under nodes that are to lose it": [
      "const loaded = mayBeInUse(node, module, version);",
      "const loaded = node.want !== undefined && mayBeInUse(node, module, version);",
    ],
    "kinds of use are known by their number": [
      ".symmetricDifference(this.#kinds).size > 0",
      ".size !== this.#kinds.size",
    ],
    "which Module's selector counts depends on the order of the cache": [
      "inOrder([...kinds].map((use) => [use.id, use]))",
      "[...kinds]",
    ],
    "what refuses a module's pod cannot be corrected": ["isReached && !isRefused &&", "isReached &&"],
    "a module of a node that serves does not count": ["!== undefined && !isServing", "!== undefined"],
    "a module that is loaded is not held back if another node's pod is refused": [
      "if (mayBeInUse(node, module, version)) return true;",
      "if (node.refusals[module] === undefined && mayBeInUse(node, module, version)) return true;",
    ],
    "the image of a module that failed cannot be corrected": [
      "=== version && node[module].failure === undefined",
      "=== version",
    ],
  }),
  ...mutantsOf(`${OPERATOR}/desired/hold-back-images.ts`, HOLD_BACK, {
    "the image that nodes have loaded is not held": ["if (!other) return", "if (live) return"],
  }),
  ...mutantsOf(`${OPERATOR}/assess/assess.ts`, [`${OPERATOR}/observe/node.test.ts`, RECONCILE, NODES, MODEL], {
    "a plugin of an older template is current": ["pod.template === template);", "pod.template !== undefined);"],
  }),
  ...mutantsOf(`${OPERATOR}/assess/template.ts`, [`${OPERATOR}/assess/template.test.ts`, NODES, RECONCILE, MODEL], {
    "a template counts as seen as soon as it is written": [
      "return current && (daemonSet.status?.observedGeneration ?? 0) >= (daemonSet.metadata.generation ?? 0);",
      "return current;",
    ],
  }),
  ...mutantsOf(`${ROLLOUT}/lasting-failure.ts`, [`${ROLLOUT}/lasting-failure.test.ts`, MODEL], {
    "a failure is over as soon as it is not reported": [
      "    const lasts = { reason, message, since, failed: true };\n",
      "    const lasts = undefined;\n",
    ],
    "a failure is never over": [
      "return isTaken || (isPast(record.state, state) && !isUnsteady) ? undefined : record;",
      "return record;",
    ],
    "a plugin that runs between two crashes lifts the halt": [" && !isUnsteady", ""],
    "a plugin that has failed is never mended": [
      "since !== undefined && now < since + STEADY_MS ?",
      "since !== undefined ?",
    ],
    "a failure outlasts another attempt": ["record.attempt !== attempt || ", ""],
    "a failure outlasts another version": [' || record.version !== (facts.want ?? "")', ""],
  }),
  ...mutantsOf(`${ROLLOUT}/patch.ts`, [`${OPERATOR}/report/event-texts.test.ts`], {
    "a node that is wanted no more is not marked as let go": [
      "const isLetGo = facts.want === undefined &&",
      "const isLetGo = facts.want === null &&",
    ],
  }),
  ...mutantsOf(`${ROLLOUT}/state-of.ts`, [STATES], {
    "onload is labelled while the one before is unloaded": [
      'return node.onload.present ? "UnloadingOnload" : "SfcReady";',
      'return "SfcReady";',
    ],
  }),
  ...mutantsOf(`${ROLLOUT}/cordon.ts`, [`${ROLLOUT}/cordon.test.ts`], {
    "KMM is reminded in every pass": [
      "return stepRecord?.cordoned || isRetried ? { cordoned: false, remind: true } : undefined;",
      "return { cordoned: false, remind: true };",
    ],
    "a cordon is noted in every pass": [
      "return stepRecord?.cordoned ? undefined : { cordoned: true, remind: false };",
      "return { cordoned: true, remind: false };",
    ],
  }),
  ...mutantsOf(`${ROLLOUT}/plan.ts`, [NODES, RECONCILE, STATES, MODEL], {
    "what may not start starts": ["(starts(node) ? held(node) : node)", "node"],
    "nodes that are let go wait for objects that cannot be applied": [
      "facts.want !== undefined && rowOf(state).needsSlot === true &&",
      "rowOf(state).needsSlot === true &&",
    ],
    "nodes that would be let go are not looked at": ["if (mayBeLetGo(plan) && looks-- > 0)", "if (plan.step === null)"],
    "a failure halts nothing": ["if (plan.problem?.failed) halted = true;", ""],
    "no plan is made when a time is over": ["return first === Infinity ? undefined : first;", "return undefined;"],
  }),
  ...mutantsOf(`${ROLLOUT}/plan.ts`, [`${ROLLOUT}/quiet-plans.test.ts`], {
    "the plan of a node with a limit is left for later": [
      "renewal, deadline, renewsAt, force];",
      "renewal, renewsAt, force];",
    ],
    "the plan of a node with a problem is left for later": ["const timed = [problem, ", "const timed = ["],
    "the plan of a node whose times cannot be believed yet is left for later": [
      "if (facts === observed && timed",
      "if (timed",
    ],
    "nothing is left for later": ["quiet.alone.set(observed, Object.freeze(plan));", "Object.freeze(plan);"],
    "a node stays behind the gate that kept it first": ["known?.gate === grant", "known"],
  }),
  ...mutantsOf(`${ROLLOUT}/node-plan.ts`, [NODES, RECONCILE, STATES, MODEL], {
    "pods are evicted while the node still offers amd.com/onload": [
      "return waits ? stepRecord.since + LAST_OFFER_MS : undefined;",
      "return undefined;",
    ],
    "the plugin is started from whatever template there is": [
      " || (rowOf(state).needsTemplate === true && !policy.templateSeen)",
      "",
    ],
    "a retry that is seen with the end of a cordon is none": [
      "return renewal && restart?.retried ? { ...renewal, retried: true } : renewal;",
      "return renewal;",
    ],
  }),
  ...mutantsOf(`${ROLLOUT}/slots.ts`, [`${ROLLOUT}/slots.test.ts`, MODEL], {
    "nodes that are let go hold no slots": [
      "node.facts.want === undefined ? isBeingEmptied(node) : isOut(node)",
      "isOut(node)",
    ],
    "nodes that are let go need no slot": ['if (holders.length >= maxUnavailable) return "NoFreeSlot";', ""],
    "nodes are let go without a look for pods": ['return looks-- > 0 ? "Inspect" : "NoFreeSlot";', 'return "Start";'],
    "a node that can never run holds a slot for ever": [" && !canNeverRun(node)", ""],
    "a node without a slot starts under pods": [
      "if (!holders) return",
      'if (!holders) return "Start";\n  if (!holders) return',
    ],
  }),
  ...mutantsOf(`${ROLLOUT}/rollback.ts`, [`${OPERATOR}/report/conditions.test.ts`, RECONCILE, MODEL], {
    "any edit ends a rollback": ["onloadDigest === undefined ? ", "onloadDigest !== undefined ? "],
    "another time for a step is no new attempt": ["stepTimeoutSeconds: true,", "stepTimeoutSeconds: false,"],
    "a rollback is the same attempt": [
      "upgrade: Object.fromEntries(fields), rollback });",
      "upgrade: Object.fromEntries(fields) });",
    ],
    "a version that is not all there becomes the one to go back to": ["if (!allDone || held ||", "if (!allDone ||"],
    "a rollback is begun without a failure": [
      "isSettled(problem) && facts.want !== undefined);",
      "facts.want !== undefined);",
    ],
    "to calm a rollout lifts its halt": ["  paused: false,", "  paused: true,"],
  }),
  ...mutantsOf(`${OPERATOR}/act/nodes.ts`, [NODES, RECONCILE, MODEL], {
    "a refused step counts as taken": [
      "const overtaken = isConflict(error) || isNotFound(error);",
      "const overtaken = isConflict(error) || isNotFound(error);\n        if (overtaken) return;",
    ],
  }),
  ...mutantsOf(`${OPERATOR}/act/finalizer.ts`, [RECONCILE, MODEL], {
    "a finalizer that was refused counts as added": [
      "return refused(error, isConflict(error) || isNotFound(error));",
      "return DONE;",
    ],
    "a finalizer is written over what others have changed": [
      "await client.mergePatch<RawOnload>(ONLOADS, refOf(raw), patch, { resourceVersion, signal })",
      "await client.mergePatch<RawOnload>(ONLOADS, refOf(raw), patch, { signal })",
    ],
  }),
  ...mutantsOf(`${OPERATOR}/act/objects.ts`, [RECONCILE, MODEL], {
    "an object that was refused counts as applied": ["overtaken: thrown.filter(isOvertaken),", "overtaken: [],"],
    "a Module is applied over one that the cache has not seen": [
      "if (!live && resource === MODULES &&",
      "if (live === null &&",
    ],
    "the Module of sfc is applied although that of onload could not be": [
      "    await one(MODULES, modules, onload, live.onload);\n    await one(MODULES, modules, sfc, live.sfc);\n",
      "    await Promise.all([one(MODULES, modules, onload, live.onload), one(MODULES, modules, sfc, live.sfc)]);\n",
    ],
    "a Module is deleted under pods that the cache has not seen": [
      "if (resource === MODULES) await requireUnloaded(applier, live, signal);",
      "",
    ],
  }),
  ...mutantsOf(`${OPERATOR}/pass/decide.ts`, [RECONCILE, NODES], {
    "the version that failed is still rolled out when its rollback begins": [
      "works: rollback === undefined && invalid === undefined && isKnown,",
      "works: invalid === undefined && isKnown,",
    ],
    "a node is worked on although caches may be outdated": [
      "works: rollback === undefined && invalid === undefined && isKnown,",
      "works: rollback === undefined && invalid === undefined,",
    ],
    "an older CRD is not told": ["      ...(oldCrd ? [oldCrd] : []),\n", ""],
    "a selector comes to hold although caches may be outdated": [
      "planned.policy.maxUnavailable, isKnown);",
      "planned.policy.maxUnavailable, true);",
    ],
    "a rollback begins although caches may be outdated": [
      "const rollback = kmm.installed && isKnown ?",
      "const rollback = kmm.installed ?",
    ],
  }),
  ...mutantsOf(`${OPERATOR}/rollout/believed.ts`, [`${OPERATOR}/clock.test.ts`], {
    "what the clock showed before it was set counts": [
      "return Math.max(time, clockSetAt ?? -Infinity);",
      "return time;",
    ],
    "what lies in the future counts": ["if (time > now + CLOCK_TOLERANCE_MS) return now;", ""],
  }),
  ...mutantsOf(
    `${OPERATOR}/rollout/node-plan.ts`,
    [`${OPERATOR}/clock.test.ts`, `${OPERATOR}/rollout/lost-plugin.test.ts`],
    {
      "a record that cannot be believed stays": [
        "const begins = hasServed || isRedated(at, observed) ?",
        "const begins = hasServed ?",
      ],
      "a plugin's pod that goes after long service is late at once": [
        "const hasServed = renewsAt !== undefined && now >= renewsAt;",
        "const hasServed = false;",
      ],
    },
  ),
  ...mutantsOf(`${OPERATOR}/pass/next.ts`, [`${OPERATOR}/pass/next.test.ts`, NODES, RECONCILE], {
    "pods that stay are not asked again": [
      'if (plan.nodes.some(({ step }) => step === "Evict")) times.push(EVICTION_RETRY_MS);',
      "",
    ],
    "a plan's own time is not kept": [
      "if (plan.wakeAt !== undefined) times.push(",
      "if (plan.wakeAt === 0) times.push(",
    ],
    "what fails ends a pass in silence": [
      "if (due === undefined) throw all;",
      "if (due === undefined) return { restMs };",
    ],
    "what failed is tried again without a pause": [
      "return failed ? Math.min(Math.max(due, FAILED_MS), PROBLEM_MS) : due;",
      "return due;",
    ],
  }),
  ...mutantsOf(`${OPERATOR}/own-image.ts`, [`${OPERATOR}/own-image.test.ts`], {
    "the operator's own image is asked for once": ["await sleep(delay, signal, clock);", "return;"],
  }),
  ...mutantsOf(`${OPERATOR}/watch/watches.ts`, [`${OPERATOR}/watch/watches.test.ts`], {
    "another resource's end is not noticed by those that wait for its nodes": [
      "? [change.key] : [change.key, ...all()],",
      "? [change.key] : [change.key],",
    ],
    "every namespace that comes concerns all resources": [
      "(namespace) => namespace?.metadata.annotations ?? {}",
      "(namespace) => namespace?.metadata.annotations",
    ],
    "what KMM says of a node concerns nobody": [
      "const current = caches.nodes.store.get(name);",
      "const current = undefined as never;",
    ],
    "policies are not followed": ["  controller.watch(caches.policies, all);\n", ""],
    "MachineConfigs are not followed": ["  controller.watch(caches.machineConfigs, all);\n", ""],
    "pods by which KMM looks for images are not followed": [
      "  controller.watch(caches.pullPods, (change) => existing(keysOfPullPod(change)));\n",
      "",
    ],
    "what KMM has found of images is not followed": [
      "  controller.watch(caches.moduleImagesConfigs, (change) => existing(keysOfObject(change)));\n",
      "",
    ],
    "DaemonSets are not followed": [
      "  controller.watch(caches.daemonSets, (change) => existing(keysOfObject(change)));\n",
      "",
    ],
    "the CRD of Onload resources concerns nobody": [" || group === ONLOAD_GROUP ? all()", " ? all()"],
    "resources of other namespaces are looked at": [".filter(isOurs)", ""],
  }),
  ...mutantsOf(`${OPERATOR}/watch/keys.ts`, [`${OPERATOR}/watch/keys.test.ts`, `${OPERATOR}/watch/watches.test.ts`], {
    "a node that is not selected any more concerns nobody": [
      "const versions = [change.old, change.current].filter(",
      "const versions = [change.current].filter(",
    ],
    "every heartbeat asks for a plan": ["if (!old || !current) return false;", "if (old || current) return false;"],
  }),
  ...mutantsOf(`${OPERATOR}/report/metrics.ts`, [RECONCILE], {
    "the series of a resource outlive it": ["this.#resources.delete(id);", ""],
  }),
  ...mutantsOf(`${OPERATOR}/view/serving.ts`, [`${OPERATOR}/view/serving.test.ts`], {
    "an operator that restarts counts as gone": ["durationOf(lease) + LEASE_MARGIN_MS;", "durationOf(lease);"],
    "the Lease of an operator of other namespaces counts": [
      "leases.items.filter((each) => covers(scopeOf(each), namespace))",
      "leases.items.filter((each) => covers(scopeOf(each), namespace) || true)",
    ],
    "an operator of one of the namespaces counts for all": [
      'const WORST_FIRST: readonly ServingState[] = ["none", "silent", "unknown", "acts"];',
      'const WORST_FIRST: readonly ServingState[] = ["acts", "none", "silent", "unknown"];',
    ],
    "the Lease of an earlier operator hides one that needs none": [
      "if (unelected) {",
      "if (unelected && ages.length === 0) {",
    ],
    "a right that is missing counts as an operator that is missing": [
      "if (leases.problem !== undefined) {",
      "if (leases.problem === null) {",
    ],
    "an operator that may come back and asks for no Lease is replaced": [
      "(each) => mayRun(each) && !electsLeader(each));",
      "(each) => !mayRun(each) && !electsLeader(each));",
    ],
  }),
  ...mutantsOf(`${OPERATOR}/observe/rivals.ts`, [`${OPERATOR}/rivals.test.ts`], {
    "a Lease that somebody makes later stops the operator": [
      "return keyOf(a) < keyOf(b) ? -1 : 1;",
      "return keyOf(a) > keyOf(b) ? -1 : 1;",
    ],
    "it acts before it knows who acts": ["if (!own) return STANDS_BY;", "if (!own) return ALONE;"],
    "it acts before the other can have noticed": ["at - heldSince < SETTLE_MS", "at - heldSince < 0"],
    "a watch that is held up makes others seem gone": [
      "own.at - at < durationOf(lease)",
      "this.#options.monotonic() - at < durationOf(lease)",
    ],
    "what a held-up watch brings at last makes others seem gone": [
      "Math.min(now - this.#countedAt, MAX_STEP_MS)",
      "now - this.#countedAt",
    ],
    "a Lease of a second seems gone between two renewals": ["Math.max(durationMs, MIN_DURATION_MS)", "durationMs"],
    "an operator of other namespaces is waited for": [
      "filter(({ lease }) => covers(scopeOf(lease), namespace))",
      "filter(({ lease }) => covers(scopeOf(lease), namespace) || true)",
    ],
    "one that has ended is waited for": [
      ".filter(({ lease, at }) => own.at - at < durationOf(lease))",
      ".filter(({ lease, at }) => own.at - at < durationOf(lease) || true)",
    ],
  }),
  ...mutantsOf(`${OPERATOR}/observe/refusals.ts`, [`${OPERATOR}/observe/refusals.test.ts`], {
    "what was said before the pod was awaited is quoted": [
      "Math.max(awaitedSince - CLOCK_MARGIN_MS, now - MAX_AGE_MS)",
      "now - MAX_AGE_MS",
    ],
    "an event of an object of the same name that is gone is quoted": [
      "(pluginUid === undefined || uid !== pluginUid)",
      "pluginUid !== undefined && false",
    ],
  }),
  ...mutantsOf(`${OPERATOR}/view/attention.ts`, [`${OPERATOR}/view/attention.test.ts`], {
    "a status of the operator counts as a change of the resource": [
      "managedFields.filter(({ subresource }) => subresource === undefined)",
      "managedFields",
    ],
    "a change of this moment is reported as overlooked": ["now - changed < LAG_MS", "now - changed < 0"],
  }),
  ...mutantsOf("internal/uninstall/worker.ts", ["internal/uninstall/decisions.test.ts"], {
    "two may act": ["if (serving.elected) return", "if (serving.message) return"],
    "an operator that may act is taken for none": ["if (!isUnserved(serving)) return", "if (!serving.message) return"],
  }),
  ...mutantsOf("internal/uninstall/installed.ts", ["internal/uninstall/decisions.test.ts"], {
    "the operator loses its rights first": [
      "(a, b) => rankOf(a.kind) - rankOf(b.kind)",
      "(a, b) => rankOf(b.kind) - rankOf(a.kind)",
    ],
  }),
  ...mutantsOf("internal/uninstall/namespace-content.ts", ["internal/uninstall/decisions.test.ts"], {
    "a namespace goes with what others have in it": [
      "return ours.some((each) => each.group === kind.group && each.kind === kind.kind && each.name === metadata.name);",
      "return ours.some((each) => each.kind === kind.kind);",
    ],
  }),
];

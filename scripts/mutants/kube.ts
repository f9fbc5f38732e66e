/** Mutants of internal/kube and internal/controller. */
import { mutantsOf, type Mutant } from "./mutant.ts";

const KUBE = "internal/kube";

export const KUBE_MUTANTS: Mutant[] = [
  ...mutantsOf(`${KUBE}/events.ts`, [`${KUBE}/events.test.ts`], {
    "an event that has expired is a failure": ["if (!isNotFound(error)) throw error;", "throw error;"],
  }),
  ...mutantsOf(`${KUBE}/reflector.ts`, [`${KUBE}/informer.test.ts`], {
    "a watch that fails is resumed for ever": ["if (refused || ++this.#failures >= MAX_RESUMES)", "if (refused)"],
    "a deleted CRD leaves its objects": ["this.#options.sink.absent();", ""],
    // A 410 is in the range of `refused` too, so that it leads to a list in any case; only this is left to tell.
    "a version that has expired is a problem": [
      "if (isExpired(error)) {",
      "if (isExpired(error) && this.#version === undefined) {",
    ],
    "a watch goes on from a version that has expired": [
      'this.#log.debug("Listing again: the resource version expired", { resourceVersion: this.#version });\n      this.#version = "";',
      "",
    ],
    "a version counts as taken before its object is": [
      'if (type === "DELETED") sink.remove(object);',
      'this.#took(object.metadata.resourceVersion ?? this.#version, "event");\n      if (type === "DELETED") sink.remove(object);',
    ],
  }),
  ...mutantsOf(`${KUBE}/watch.ts`, [`${KUBE}/informer.test.ts`], {
    "an event is lost if its managed fields name what looks like their end": [
      "(short && parse(short)) ?? parse(line)",
      "short ? parse(short) : parse(line)",
    ],
  }),
  ...mutantsOf(`${KUBE}/managed-fields.ts`, [`${KUBE}/managed-fields.test.ts`], {
    "the record ends at the end of a later list": [
      "if (end < 0 || text[end - 1] !== OBJECT_END) return undefined;",
      "if (end < 0) return undefined;",
    ],
    "a field of a custom resource is taken for the record": [
      "if (start < 0 || !isInMetadata(",
      "if (start < 0 || !Boolean(",
    ],
    "the metadata of a pod's template are the object's": ["open.length === 3 && ", ""],
    "a field whose name ends so is metadata": [
      "(before === `{${METADATA}` || before === `,${METADATA}`)",
      "before.endsWith(METADATA)",
    ],
  }),
  ...mutantsOf(`${KUBE}/store.ts`, [`${KUBE}/store.test.ts`], {
    "an object that goes is no change": [
      "    this.#note(key, touched);\n    return { key, old, current: undefined };",
      "    return { key, old, current: undefined };",
    ],
    "what an object was found by does not count": ["[...(before[i] ?? NONE), ...values]", "values"],
    "changes are remembered for ever": ["this.#changes.length >= 2 * REMEMBERED_CHANGES", "false"],
    "an index remembers for ever": ["if (isFull) index.touched", "if (!isFull && isFull) index.touched"],
    "what is forgotten counts as unchanged": ["if (count > this.#changes.length) return undefined;", ""],
  }),
  ...mutantsOf(`${KUBE}/connections.ts`, [`${KUBE}/transport.test.ts`], {
    "connections that do not answer are kept": [
      "if (++pool.unanswered >= MAX_UNANSWERED &&",
      "if (++pool.unanswered < 0 &&",
    ],
  }),
  ...mutantsOf(`${KUBE}/lease-fence.ts`, [`${KUBE}/lease.test.ts`], {
    "a stopped leader writes": [
      "if (this.#clock.monotonic() < this.#openUntil) return;",
      "if (this.#openUntil > 0) return;",
    ],
    "a refused write ends nothing": ["this.#onRefusal(error);", ""],
  }),
  ...mutantsOf(`${KUBE}/connections.ts`, [`${KUBE}/lease.test.ts`], {
    "the fence is asked before the connection is there": [
      "if (!socket.connecting && !(secure && socket.secureConnecting)) send();",
      "if (secure || !secure) send();",
    ],
  }),
  ...mutantsOf(`${KUBE}/client.ts`, [`${KUBE}/lease.test.ts`], {
    "writes pass no fence": ["{ ...request, beforeSend }", "request"],
    "a second fence takes the place of the first": ["[...this.#fences, fence]", "[fence]"],
  }),
  ...mutantsOf(`${KUBE}/informer.ts`, [`${KUBE}/informer.test.ts`], {
    "silence is no sign of age": ["some((at) => at <= since)", "some(() => false)"],
  }),
  ...mutantsOf(`${KUBE}/reflector.ts`, [`${KUBE}/informer.test.ts`], {
    "a quiet server is a problem": ["if (isHeldBack)", "if (this.#silent)"],
    "a watch may be silent as long as it is open": [
      "cancel = this.#clock.after(this.#silenceMs, () => silence.abort());",
      "",
    ],
  }),
  ...mutantsOf(`${KUBE}/lease.ts`, [`${KUBE}/lease.test.ts`], {
    "a leader that cannot renew goes on": ["let cancel = waitToGiveUp();", "let cancel = (): void => undefined;"],
    "a renewal counts from its answer": [
      "fence?.open(began + this.#deadlineMs)",
      "fence?.open(this.#clock.monotonic() + this.#deadlineMs)",
    ],
    "the fence stays open for another's Lease": ["      fence?.close();\n", ""],
    "the fence stays open when the Lease is released": ["    options.fence?.close();\n", ""],
    "a renewal that was cut off keeps the Lease from its release": [
      "if (!isConflict(error) || attempt === RELEASE_ATTEMPTS) throw error;",
      "throw error;",
    ],
    "a candidate that stops while it takes the Lease keeps it": [
      "if (candidate.isUnsettled) await candidate.release();",
      "",
    ],
    "another's Lease is released": [
      "known?.spec?.holderIdentity === identity; attempt++",
      "known !== undefined; attempt++",
    ],
    "a Lease that another holds is taken": ["if (!free && !expired) {", "if (!free && expired) {"],
  }),
  ...mutantsOf("internal/controller/controller.ts", ["internal/controller/controller.test.ts"], {
    "a reconcile that failed is not tried again": ["this.queue.addRateLimited(key);", ""],
  }),
  ...mutantsOf("internal/controller/workqueue.ts", ["internal/controller/workqueue.test.ts"], {
    "of several times the latest counts": [
      "if (known && known.at <= at) return;",
      "if (known && known.at >= at) return;",
    ],
    "a key is worked on twice at once": [
      "if (this.#processing.has(key) || this.#resting.has(key)) {",
      "if (this.#resting.has(key)) {",
    ],
  }),
];

/**
 * The schema of spec of the Onload resource: TypeScript types, defaults, the CRD and the text of `kubectl explain` all
 * come from here. That of status is in status-schema.ts.
 *
 * What the original operator's CRD accepts is accepted here with the same meaning; the rules reject at admission only
 * what could never work. Keys in `meta` go into the CRD as they stand. `maxLength` and `maxItems` are generous on
 * purpose: the API server derives the cost of a rule from them, and the rules give the better message.
 */
import * as z from "zod";
import {
  ABSOLUTE_PATH,
  CONTROL_CHARACTERS,
  DEVICE_PLUGIN_FOLDER,
  DOT_SEGMENTS,
  HOST_ONLOAD_PATH_RULES,
  KUBELET_DIR_RULE,
  POD_RESOURCES_DIR_RULE,
  POD_RESOURCES_FOLDER,
  MAX_KUBELET_DIR,
  SYSTEM_FOLDERS,
} from "./host-paths.ts";
import { DEFAULT_PARAMETERS, KUBELET_DIR, METRICS_PORT, PLUGIN_DEFAULTS, PROBE_ADDRESS } from "./plugin-pod.ts";
import {
  IMAGE,
  LABEL_KEY,
  LABEL_VALUE,
  MAX_LABEL_KEY,
  MODULE_IMAGE,
  OBJECT_NAME,
  SERVER_ADDRESS,
} from "./references.ts";
import { MAX_REGEXP_CHARACTERS } from "./regexp-size.ts";
import { int32, text } from "./schema-parts.ts";

/** A rule that the API server evaluates at admission (CEL), with the message that the user reads. */
interface Rule {
  rule: string;
  message: string;
}

const rules = (...list: Rule[]): { "x-kubernetes-validations": Rule[] } => ({ "x-kubernetes-validations": list });

/** The part of a rule that is true if one of some expressions fits somewhere in the value. They have no quotes. */
const matches = (...expressions: RegExp[]): string =>
  `self.matches(r'${expressions.map(({ source }) => source.replaceAll("\\/", "/")).join("|")}')`;

/** The rule for a folder of the kubelet; see kubeletDirProblem and podResourcesDirProblem. */
const kubeletFolder = (folder: RegExp, message: string): ReturnType<typeof rules> =>
  rules({
    rule: `${matches(folder)} && !${matches(DOT_SEGMENTS)} && !${matches(CONTROL_CHARACTERS)} && size(self) <= ${MAX_KUBELET_DIR}`,
    message,
  });

/** A path in a container that can stand in LD_PRELOAD and in a list of mounts. */
const PLAIN_PATH = `!self.contains(':') && !${matches(CONTROL_CHARACTERS)}`;

/** What the message of a rule for images says they must be. */
const IMAGE_FORM = "an image such as registry.example.com/onload:1.0, in lower case but for its tag, without blanks";

/** Rules for an optional image. */
const imageRules = (field: string): ReturnType<typeof rules> =>
  rules({ rule: `self == '' || ${matches(IMAGE)}`, message: `${field} must be ${IMAGE_FORM}` });

/** A quantity such as 100m or 64Mi, not below zero: what the API server then takes in a pod. */
const QUANTITY = "^\\+?([0-9]+(\\.[0-9]*)?|\\.[0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?0*[0-9]{1,3})?$";

const intOrString = z.union([z.int(), z.string()]);

const pullPolicy = text().meta({
  description:
    "When images are pulled: Always, IfNotPresent or Never. Without it, Always if the tag is `latest` and IfNotPresent otherwise.",
  ...rules({
    rule: "self in ['', 'Always', 'IfNotPresent', 'Never']",
    message: "imagePullPolicy must be Always, IfNotPresent or Never",
  }),
});

const toleration = z
  .object({
    key: text()
      .optional()
      .meta({ description: "Key of the taint. Empty matches every key; operator must then be Exists." }),
    operator: z
      .enum(["Exists", "Equal"])
      .optional()
      .meta({ description: "Whether the taint's value must be equal (Equal, the default) or may be any (Exists)." }),
    value: text().optional().meta({ description: "Value of the taint, for operator Equal." }),
    effect: z
      .enum(["NoSchedule", "PreferNoSchedule", "NoExecute"])
      .optional()
      .meta({ description: "Effect of the taint. Empty matches every effect." }),
    tolerationSeconds: z
      .int()
      .optional()
      .meta({ format: "int64", description: "How long a NoExecute taint is tolerated. Without it, for ever." }),
  })
  .meta({
    description: "A toleration, as in a pod's spec.",
    ...rules(
      {
        rule: `!has(self.key) || self.key == '' || (${matches(LABEL_KEY).replace("self", "self.key")} && size(self.key) <= ${MAX_LABEL_KEY})`,
        message: "key of a toleration must be that of a taint, such as example.com/dedicated",
      },
      {
        rule: "(has(self.key) && self.key != '') || (has(self.operator) && self.operator == 'Exists')",
        message: "a toleration without a key must have the operator Exists: it tolerates every taint",
      },
      {
        rule: `!has(self.value) || self.value == '' || (!(has(self.operator) && self.operator == 'Exists') && ${matches(LABEL_VALUE).replace("self", "self.value")})`,
        message: "value of a toleration must be a label value, and must be left out with the operator Exists",
      },
      {
        rule: "!has(self.tolerationSeconds) || (has(self.effect) && self.effect == 'NoExecute')",
        message: "tolerationSeconds is only for the effect NoExecute",
      },
    ),
  });

const localReference = z.object({
  name: text(253).optional().meta({ description: "Name of the Secret." }),
});

const resourceList = z.record(z.string(), intOrString.meta({ pattern: QUANTITY, minimum: 0 }));

/** Keys of a map have no maximum length, so that the API server takes no expression for them that could take long. */
const resourceRules = rules({
  rule: "self.all(k, k in ['cpu', 'memory', 'ephemeral-storage'])",
  message: "resources of the device plugin are cpu, memory and ephemeral-storage",
});

const resources = z.object({
  requests: resourceList
    .optional()
    .meta({ maxProperties: 64, description: "Amounts that the scheduler sets aside.", ...resourceRules }),
  limits: resourceList
    .optional()
    .meta({ maxProperties: 64, description: "Amounts that are never exceeded.", ...resourceRules }),
});

const build = z.object({
  buildArgs: z
    .array(
      z.object({
        name: text().meta({ description: "Name of the build argument." }),
        value: text(4096).meta({ description: "Value of the build argument." }),
      }),
    )
    .optional()
    .meta({ maxItems: 128, description: "Arguments of the image build, for the ARG lines of the Dockerfile." }),
  dockerfileConfigMap: z
    .object({
      name: text(253).optional().meta({ description: "Name of a ConfigMap in the namespace of the Onload resource." }),
    })
    .meta({
      description: "The ConfigMap that holds the Dockerfile, under the key `dockerfile`.",
      "x-kubernetes-map-type": "atomic",
      ...rules({
        rule: `has(self.name) && ${matches(OBJECT_NAME).replace("self", "self.name")}`,
        message: "dockerfileConfigMap.name must name the ConfigMap whose key `dockerfile` holds the Dockerfile",
      }),
    }),
});

const kernelMapping = z
  .object({
    regexp: text(MAX_REGEXP_CHARACTERS).meta({
      description:
        "Regular expression (RE2, not anchored) for the kernel version that `uname -r` prints on the node. The first mapping that matches counts.",
      ...rules(
        { rule: "self != ''", message: "regexp must not be empty: use '.*' for every kernel" },
        {
          // True for every expression that parses; one that does not makes the rule fail with an evaluation error.
          rule: "''.matches(self) || !''.matches(self)",
          message: "regexp must be a regular expression that RE2 can parse: check brackets and escapes",
        },
      ),
    }),
    kernelModuleImage: text().meta({
      description:
        "Image with the kernel modules for these kernels, with its tag or digest. ${KERNEL_FULL_VERSION} stands for the node's kernel version.",
      ...rules(
        {
          rule: "self != ''",
          message: "kernelModuleImage must name the image that has the kernel modules, with its tag or digest",
        },
        { rule: `self == '' || ${matches(MODULE_IMAGE)}`, message: `kernelModuleImage must be ${IMAGE_FORM}` },
      ),
    }),
    sfc: z.object({}).optional().meta({
      description:
        "Set it (to {}) to let the operator replace the sfc network driver too, before onload is loaded. Leave it out if a MachineConfig or the node's own image loads sfc at boot.",
    }),
    build: build.optional().meta({
      description: "How KMM builds kernelModuleImage in the cluster if it does not exist. Without it nothing is built.",
    }),
  })
  .meta({ description: "Which image has the kernel modules for which kernels." });

const controlPlane = z.object({
  parameters: z
    .array(text(4096))
    .default([...DEFAULT_PARAMETERS])
    .meta({
      maxItems: 128,
      description:
        "Arguments of onload_cp_server when the kernel module starts it. -K makes it log to the kernel's log.",
    }),
  crictlPath: text(512)
    .optional()
    .meta({
      description:
        "Path of crictl on the nodes, by which the kernel module starts onload_cp_server in its container. Default: the first of the usual ones that works.",
      ...rules({
        rule: "self.matches('^/[!-~]+$')",
        message: "crictlPath must be an absolute path on the nodes, such as /usr/local/bin/crictl, without spaces",
      }),
    }),
  runtimeEndpoint: text(512)
    .optional()
    .meta({
      description:
        "Endpoint of the nodes' container runtime, for crictl. Default: the first of the usual ones that works, such as unix:///run/containerd/containerd.sock.",
      ...rules({
        rule: "self.matches('^unix:///[!-~]+$')",
        message:
          "runtimeEndpoint must be a socket on the nodes, such as unix:///run/k3s/containerd/containerd.sock, without spaces",
      }),
    }),
});

const onload = z.object({
  kernelMappings: z.array(kernelMapping).meta({
    maxItems: 128,
    description: "Kernel module images by kernel version, for clusters whose nodes run different kernels.",
    ...rules({
      rule: "size(self) > 0",
      message: "kernelMappings must have at least one entry: a regexp of kernel versions and a kernelModuleImage",
    }),
  }),
  userImage: text().meta({
    description:
      "The onload-user image: libraries, tools and onload_cp_server, of the same Onload version as the modules.",
    ...rules(
      { rule: "self != ''", message: "userImage must name the onload-user image of this Onload version" },
      { rule: `self == '' || ${matches(IMAGE)}`, message: `userImage must be ${IMAGE_FORM}` },
    ),
  }),
  version: text().meta({
    description:
      "Version of Onload, as a label value. Nodes are upgraded when it changes, and only then: give every set of images a version of its own.",
    ...rules({
      rule: "self.matches('^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$')",
      message:
        "version must be a label value: at most 63 letters, digits, '-', '_' and '.', with a letter or digit at each end",
    }),
  }),
  imagePullPolicy: pullPolicy.optional(),
  controlPlane: controlPlane.optional().meta({ description: "The Onload control plane server." }),
});

const devicePlugin = z
  .object({
    devicePluginImage: text()
      .optional()
      .meta({
        description:
          "Image of onloadctl for the device plugin. Without it, the operator's DEVICE_PLUGIN_IMG, or else the image that the operator itself runs from.",
        ...imageRules("devicePluginImage"),
      }),
    imagePullPolicy: pullPolicy.optional(),
    maxPodsPerNode: z
      .int()
      .default(PLUGIN_DEFAULTS.maxPods)
      .meta({
        format: "int32",
        description: "How many pods of a node can hold amd.com/onload at the same time.",
        ...rules({
          rule: "self >= 1 && self <= 2000",
          message: "maxPodsPerNode must be from 1 to 2000: it is the number of pods of one node that can use Onload",
        }),
      }),
    setPreload: z.boolean().default(PLUGIN_DEFAULTS.setPreload).meta({
      description: "Sets LD_PRELOAD in every container that asks for amd.com/onload. Not together with mountOnload.",
    }),
    mountOnload: z.boolean().default(PLUGIN_DEFAULTS.mountOnload).meta({
      description:
        "Mounts the onload script at baseMountPath/binMountPath instead of setting LD_PRELOAD. Needs setPreload: false.",
    }),
    hostOnloadPath: text()
      .default(`${PLUGIN_DEFAULTS.hostOnloadPath}/`)
      .meta({
        description: "Folder on the node that Onload's files are installed in.",
        ...rules(
          { rule: `!${matches(CONTROL_CHARACTERS)}`, message: HOST_ONLOAD_PATH_RULES.characters },
          {
            rule: `${matches(ABSOLUTE_PATH)} && !${matches(DOT_SEGMENTS)}`,
            message: HOST_ONLOAD_PATH_RULES.form,
          },
          { rule: `!${matches(...SYSTEM_FOLDERS)}`, message: HOST_ONLOAD_PATH_RULES.system },
        ),
      }),
    kubeletDir: text(128)
      .default(KUBELET_DIR)
      .meta({
        description:
          "Folder on the node in which the kubelet listens for device plugins (kubelet.sock). Nearly every kubelet has the default, whatever its --root-dir is.",
        ...kubeletFolder(DEVICE_PLUGIN_FOLDER, KUBELET_DIR_RULE),
      }),
    podResourcesDir: text(128)
      .optional()
      .meta({
        description:
          "Folder on the node in which the kubelet tells which pods have which devices: pod-resources in its --root-dir. Left out, it is the one beside kubeletDir.",
        ...kubeletFolder(POD_RESOURCES_FOLDER, POD_RESOURCES_DIR_RULE),
      }),
    baseMountPath: text()
      .default(PLUGIN_DEFAULTS.baseMountPath)
      .meta({
        description: "Folder in the container that binMountPath and libMountPath are below.",
        ...rules({
          rule: `self == '' || (self.startsWith('/') && ${PLAIN_PATH})`,
          message:
            "baseMountPath must be an absolute path in the container, such as /opt/onload, without ':' and control characters",
        }),
      }),
    binMountPath: text()
      .default(PLUGIN_DEFAULTS.binMountPath)
      .meta({
        description: "Folder below baseMountPath that programs are mounted in.",
        ...rules({ rule: PLAIN_PATH, message: "binMountPath must have no ':' and no control characters" }),
      }),
    libMountPath: text()
      .optional()
      .meta({
        description: "Folder below baseMountPath that libraries are mounted in. Default: /usr/lib64.",
        ...rules({ rule: PLAIN_PATH, message: "libMountPath must have no ':' and no control characters" }),
      }),
    libMounthPath: text()
      .optional()
      .meta({
        description: "Former spelling of libMountPath, which goes before it. Still read, for resources made with it.",
        ...rules({ rule: PLAIN_PATH, message: "libMounthPath must have no ':' and no control characters" }),
      }),
    metricsBindAddress: text(64)
      .optional()
      .meta({
        description: `Where each node serves the metrics of its device plugin, to everybody who reaches that address: ADDRESS:PORT, :PORT for all addresses of the node, or 0 for nowhere. Default: port ${METRICS_PORT} of the node's own address.`,
        ...rules({
          rule: `self == '0' || (self.matches(r'^(${SERVER_ADDRESS})?:[1-9][0-9]{0,4}$') && !self.matches(':(${PROBE_ADDRESS.port}|6553[6-9]|655[4-9][0-9]|65[6-9][0-9]{2}|6[6-9][0-9]{3}|[7-9][0-9]{4})$'))`,
          message: `metricsBindAddress must be an IP address and a port, such as 10.0.0.1:${METRICS_PORT}, [fd00::1]:${METRICS_PORT} or :${METRICS_PORT}, or 0 for no metrics; port ${PROBE_ADDRESS.port} is that of the probes`,
        }),
      }),
    stackMetrics: z.boolean().default(PLUGIN_DEFAULTS.stackMetrics).meta({
      description:
        "Adds counters of each Onload stack of pods to the metrics of the device plugin: drops, memory pressure, missing filters and routes, sleeps and others, about twenty series a stack.",
    }),
    resources: resources
      .optional()
      .meta({ description: "Resources of the container device-plugin, in place of the operator's defaults." }),
  })
  .meta({
    description: "The device plugin, which offers the resource amd.com/onload to pods.",
    ...rules({
      // The API server also tries the rule on the default, {}, before it fills in the defaults within.
      rule: "!(has(self.setPreload) && self.setPreload && has(self.mountOnload) && self.mountOnload)",
      message: "setPreload and mountOnload are mutually exclusive: set setPreload to false to use mountOnload",
    }),
  });

const drain = z.object({
  timeoutSeconds: int32(0).default(300).meta({
    description:
      "How long the pods of a node that hold amd.com/onload may take to go. Then the node has failed, or with force the pods are deleted.",
  }),
  gracePeriodSeconds: int32(0).optional().meta({
    description:
      "Time that a pod has to end, in place of its own terminationGracePeriodSeconds. 0 counts as 1: a pod is never forgotten while it may still run.",
  }),
  force: z.boolean().default(false).meta({
    description:
      "Also evicts pods that no controller would recreate, and after timeoutSeconds deletes pods that a PodDisruptionBudget protects.",
  }),
});

const upgrade = z.object({
  maxUnavailable: intOrString.default(1).meta({
    description:
      "How many nodes may be without Onload at the same time: a number, or a percentage of the selected nodes (rounded down, at least one). Nodes that are failed, cordoned or not Ready count too.",
    ...rules({
      rule: "type(self) == int ? self >= 1 && self <= 2147483647 : self.matches('^([1-9][0-9]?|100)%$')",
      message:
        "maxUnavailable must be at least 1, or from 1% to 100%: to stop an upgrade, set spec.upgrade.paused to true",
    }),
  }),
  paused: z
    .boolean()
    .default(false)
    .meta({ description: "Leaves nodes of an older version alone. Nodes that are being upgraded are finished." }),
  drain: drain.prefault({}).meta({ description: "How pods that hold amd.com/onload leave a node before its upgrade." }),
  stepTimeoutSeconds: int32(1).default(900).meta({
    description: "How long any other step of a node may take, such as loading a module, before the node has failed.",
  }),
  onFailure: z.enum(["Halt", "Rollback"]).default("Halt").meta({
    description:
      "What a failed node does to an upgrade. Halt: no further node starts. Rollback: all nodes go back to the last version that was Ready on every node.",
  }),
});

/** spec of an Onload resource. */
export const onloadSpec = z
  .object({
    selector: z
      .record(
        z.string(),
        text().meta(
          rules({
            rule: matches(LABEL_VALUE),
            message:
              "values of selector must be label values: at most 63 letters, digits, '-', '_' and '.', with a letter or digit at each end, or nothing",
          }),
        ),
      )
      .meta({
        maxProperties: 64,
        description: "Labels of the nodes that get Onload; a node must have all of them.",
        ...rules(
          {
            rule: "size(self) > 0",
            message: "selector must have at least one node label, such as node-role.kubernetes.io/worker: ''",
          },
          {
            // The rest of a key's form costs too much here: see admission/selector.yaml, and preflight.ts.
            rule: `self.all(k, k != '' && size(k) <= ${MAX_LABEL_KEY})`,
            message: "keys of selector must be label keys, such as node-role.kubernetes.io/worker",
          },
        ),
      }),
    serviceAccountName: text(253).meta({
      description:
        "ServiceAccount of the pods that load modules and run the device plugin. It must exist in the same namespace and be allowed to run privileged pods.",
      ...rules({
        rule: `self == '' || ${matches(OBJECT_NAME)}`,
        message: "serviceAccountName must be the name of a ServiceAccount: lower-case letters, digits, '-' and '.'",
      }),
    }),
    onload: onload.meta({ description: "The version of Onload and the images that it is in." }),
    devicePlugin: devicePlugin.prefault({}),
    imagePullSecrets: z
      .array(localReference.meta({ "x-kubernetes-map-type": "atomic", description: "A Secret of the same namespace." }))
      .optional()
      .meta({
        maxItems: 16,
        ...rules({
          rule: "self.all(secret, has(secret.name) && secret.name != '')",
          message: "each of imagePullSecrets must have a name",
        }),
        description:
          "Secrets for pulling the images. KMM takes one: the first is used for the kernel module images, and to build and push them. On OpenShift it then replaces the logins that builds have by themselves, so it must have one for every registry that a build uses.",
      }),
    tolerations: z.array(toleration).optional().meta({
      maxItems: 64,
      description:
        "Taints of nodes that the device plugin runs on all the same. One of NoExecute that is taken away stays as long as nodes have the plugin, which would end there at once. Kernel modules tolerate every taint, with KMM 2.3 and later: none unloads them.",
    }),
    upgrade: upgrade.prefault({}).meta({ description: "How nodes go from one version to another." }),
  })
  .meta({ description: "What Onload the nodes get." });

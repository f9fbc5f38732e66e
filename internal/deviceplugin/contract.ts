/**
 * What the DaemonSet must give this part of the program: its pod is the contract between the operator, which renders
 * it, and the device plugin and control plane, which run in it.
 *
 * ```yaml
 * hostPID: true             # /proc/PID/ns/net of the host for onload_cp_server; mount tables of all containers
 * hostNetwork: true         # onload_cp_server --bootstrap serves the network namespace that it runs in: the host's
 * automountServiceAccountToken: false   # nothing here talks to the API server
 * priorityClassName: system-node-critical
 * terminationGracePeriodSeconds: 10
 * volumes:
 * - {name: onloadctl, emptyDir: {}}                         # our executable (about 120 MB), for the user image to run
 * - {name: kubelet, hostPath: {path: /var/lib/kubelet/device-plugins, type: Directory}}
 * - {name: host-onload, hostPath: {path: HOST_ONLOAD_PATH, type: DirectoryOrCreate}}
 * - {name: host-dev, hostPath: {path: /dev, type: Directory}}   # live, unlike the copy a privileged container gets
 * - {name: host-sys, hostPath: {path: /sys, type: Directory}}
 * initContainers:
 * - name: copy-onloadctl    # image: the device plugin's; needs no privilege
 *   args: [device-plugin, copy-executable, --to=/onloadctl]
 *   volumeMounts: [{name: onloadctl, mountPath: /onloadctl}]
 * - name: install-host-files    # image: the user image, which needs no shell, no cp and no C library for this
 *   command: [/onloadctl/ld.so, --library-path, /onloadctl/lib, /onloadctl/onloadctl]
 *   args: [device-plugin, install-host-files, --onload-version=VERSION, --host-onload-path=HOST_ONLOAD_PATH,
 *     --host-root=/host]
 *   securityContext: {privileged: true, runAsUser: 0, runAsGroup: 0}
 *   volumeMounts:
 *   - {name: onloadctl, mountPath: /onloadctl, readOnly: true}
 *   - {name: host-onload, mountPath: /host/HOST_ONLOAD_PATH}
 *   - {name: host-sys, mountPath: /host/sys, readOnly: true}    # tells whether SELinux is on
 * containers:
 * - name: device-plugin     # image: the device plugin's; the same copy runs, so that it is in memory once
 *   command: [/onloadctl/ld.so, --library-path, /onloadctl/lib, /onloadctl/onloadctl]
 *   args: [device-plugin, --host-root=/host, --onload-version=VERSION, --max-pods=N, --set-preload=BOOL,
 *     --mount-onload=BOOL, --host-onload-path=HOST_ONLOAD_PATH, --base-mount-path=PATH, --bin-mount-path=PATH,
 *     --lib-mount-path=PATH]
 *   env:
 *   - {name: POD_NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
 *   - {name: BUN_OPTIONS, value: "--smol"}
 *   - {name: BUN_JSC_useDFGJIT, value: "0"}
 *   - {name: BUN_JSC_useRegExpJIT, value: "0"}
 *   - {name: BUN_JSC_useConcurrentJIT, value: "0"}
 *   - {name: BUN_JSC_thresholdForJITAfterWarmUp, value: "100000"}
 *   - {name: BUN_JSC_thresholdForJITSoon, value: "100000"}
 *   securityContext: {privileged: true, runAsUser: 0, runAsGroup: 0, readOnlyRootFilesystem: true}
 *   ports: [{name: metrics, containerPort: 9470}]
 *   livenessProbe: {httpGet: {path: /healthz, port: metrics}, periodSeconds: 20, failureThreshold: 3}
 *   readinessProbe: {httpGet: {path: /readyz, port: metrics}, periodSeconds: 5}
 *   resources: {requests: {cpu: 10m, memory: 64Mi}}     # spec.devicePlugin.resources replaces them
 *   volumeMounts:
 *   - {name: onloadctl, mountPath: /onloadctl, readOnly: true}
 *   - {name: kubelet, mountPath: /var/lib/kubelet/device-plugins}
 *   - {name: host-onload, mountPath: /host/HOST_ONLOAD_PATH}
 *   - {name: host-dev, mountPath: /host/dev}
 *   - {name: host-sys, mountPath: /host/sys, readOnly: true}
 * - name: onload-worker     # image: the user image, in which the kernel has crictl start onload_cp_server
 *   command: [/onloadctl/ld.so, --library-path, /onloadctl/lib, /onloadctl/onloadctl]
 *   args: [control-plane, --host-root=/host, --parameters=PARAMETERS]    # the list, joined with spaces
 *   env: [{name: BUN_JSC_useJIT, value: "0"}]
 *   securityContext: {privileged: true, runAsUser: 0, runAsGroup: 0}
 *   resources: {requests: {cpu: 10m, memory: 64Mi}}
 *   volumeMounts:
 *   - {name: onloadctl, mountPath: /onloadctl, readOnly: true}
 *   - {name: host-dev, mountPath: /host/dev}
 *   - {name: host-sys, mountPath: /host/sys}      # writable: the module's parameters are set there
 * ```
 *
 * `/host/HOST_ONLOAD_PATH` stands for the two paths joined, for example /host/opt/onload. --host-root is where the
 * node's own paths are found in the container; every other flag names paths as the node or the application's
 * container sees them.
 *
 * The executable is started through its own copy of the dynamic loader, so that it depends on nothing in the user
 * image; LD_LIBRARY_PATH would not do, because onload_cp_server would inherit it.
 *
 * The BUN_ options keep the heap small and the runtime from compiling early what is called often, in the worker at all:
 * what a node pays for good counts more than the speed of rare calls. See also memory.ts.
 *
 * /readyz is good once the kubelet lists the devices, whether or not they are healthy: a plugin pod may start before
 * the kernel module. Wait for the node's allocatable amd.com/onload to know that pods can use it. /healthz is bad
 * when the kubelet has been out of reach for longer than --kubelet-timeout.
 *
 * @module
 */

/** The extended resource that pods ask for. */
export const RESOURCE_NAME = "amd.com/onload";

/** Where the kubelet listens for device plugins and looks for their sockets, whatever its --root-dir says. */
export const KUBELET_DIR = "/var/lib/kubelet/device-plugins";

/** Device files that Onload's user-space library opens; each is needed in every container that runs Onload. */
export const DEVICE_FILES = ["/dev/onload", "/dev/onload_epoll", "/dev/sfc_char"] as const;

/** Default address of metrics and probes. The pod uses the host's network, so the port is one of the node's. */
export const METRICS_ADDRESS = ":9470";

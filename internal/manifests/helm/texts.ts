/** The parts of the Helm chart that are no objects. */
import { OPERATOR_NAME } from "../../api/names.ts";
import { FIRST_MINOR_WITH_POLICIES, UNPROTECTED } from "../kubernetes-version.ts";

/** Name of the chart; of its folder and its archive too. */
export const CHART_NAME = OPERATOR_NAME;

/** Templates that others include. */
export function helpers(): string {
  return `{{/* Image of onloadctl, as kubelets pull it. */}}
{{- define "${CHART_NAME}.image" -}}
{{- $repository := required "image.repository is empty: give onloadctl's image, such as --set image.repository=registry.example.com/trading/onloadctl --set image.tag=0.1.0" .Values.image.repository -}}
{{- $digest := .Values.image.digest -}}
{{- $tag := .Values.image.tag | default (ternary "" .Chart.AppVersion (ne $digest "")) -}}
{{- $repository -}}
{{- if $tag }}:{{ $tag }}{{ end -}}
{{- if $digest }}@{{ $digest }}{{ end -}}
{{- end }}

{{/* true if the admission policies are among the objects. Only a cluster that is asked names kinds; else its version counts. */}}
{{- define "${CHART_NAME}.hasPolicies" -}}
{{- $enabled := toString .Values.admissionPolicies.enabled -}}
{{- if ne $enabled "auto" -}}
{{- $enabled -}}
{{- else if .Capabilities.APIVersions.Has "v1/Namespace" -}}
{{- .Capabilities.APIVersions.Has "admissionregistration.k8s.io/v1/ValidatingAdmissionPolicy" -}}
{{- else -}}
{{- semverCompare ">=1.${FIRST_MINOR_WITH_POLICIES}.0-0" .Capabilities.KubeVersion.Version -}}
{{- end -}}
{{- end }}
`;
}

/** What Helm shows after an installation or upgrade. */
export function notes(): string {
  return `The Onload operator {{ .Chart.AppVersion }} is installed in namespace {{ .Release.Namespace }}. It needs KMM (Kernel Module
Management) 1.1 or later, which this chart does not install.

{{- if ne (include "${CHART_NAME}.hasPolicies" .) "true" }}

WARNING: the admission policies are not installed: ${UNPROTECTED}.
When the cluster has Kubernetes 1.${FIRST_MINOR_WITH_POLICIES} or later, run helm upgrade again.
{{- end }}

Next:
  onloadctl check                                                            what the cluster lacks
  onloadctl manifests sample namespace | kubectl apply --server-side -f -    a namespace, and a ServiceAccount
  onloadctl manifests sample > onload.yaml                                   an Onload resource to edit and to apply
  kubectl label namespace {{ .Release.Namespace }} pod-security.kubernetes.io/enforce=restricted

To remove it, clean the nodes first, which only the operator can do:
  onloadctl uninstall --operator-namespace={{ .Release.Namespace }}
  helm uninstall {{ .Release.Name }} --namespace {{ .Release.Namespace }}
With helm uninstall alone, drivers stay loaded and pods keep Onload, but nobody cleans or protects their nodes. The
CustomResourceDefinition and the Onload resources stay in any case: install the chart again, and the operator goes on.
`;
}

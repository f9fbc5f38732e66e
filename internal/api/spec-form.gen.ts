// Generated from internal/api/schema.ts by scripts/generate.ts.
import type { JsonSchema } from "./core.ts";

export const SPEC_FORM: JsonSchema = {
  "type": "object",
  "properties": {
    "selector": {
      "type": "object",
      "additionalProperties": {
        "type": "string"
      }
    },
    "serviceAccountName": {
      "type": "string"
    },
    "onload": {
      "type": "object",
      "properties": {
        "kernelMappings": {
          "type": "array",
          "items": {
            "type": "object",
            "properties": {
              "regexp": {
                "type": "string"
              },
              "kernelModuleImage": {
                "type": "string"
              },
              "sfc": {
                "type": "object"
              },
              "build": {
                "type": "object",
                "properties": {
                  "buildArgs": {
                    "type": "array",
                    "items": {
                      "type": "object",
                      "properties": {
                        "name": {
                          "type": "string"
                        },
                        "value": {
                          "type": "string"
                        }
                      },
                      "required": [
                        "name",
                        "value"
                      ]
                    }
                  },
                  "dockerfileConfigMap": {
                    "type": "object",
                    "properties": {
                      "name": {
                        "type": "string"
                      }
                    }
                  }
                },
                "required": [
                  "dockerfileConfigMap"
                ]
              }
            },
            "required": [
              "regexp",
              "kernelModuleImage"
            ]
          }
        },
        "userImage": {
          "type": "string"
        },
        "version": {
          "type": "string"
        },
        "imagePullPolicy": {
          "type": "string"
        },
        "controlPlane": {
          "type": "object",
          "properties": {
            "parameters": {
              "type": "array",
              "items": {
                "type": "string"
              },
              "default": [
                "-K"
              ]
            },
            "crictlPath": {
              "type": "string"
            },
            "runtimeEndpoint": {
              "type": "string"
            }
          }
        }
      },
      "required": [
        "kernelMappings",
        "userImage",
        "version"
      ]
    },
    "devicePlugin": {
      "type": "object",
      "properties": {
        "devicePluginImage": {
          "type": "string"
        },
        "imagePullPolicy": {
          "type": "string"
        },
        "maxPodsPerNode": {
          "type": "integer",
          "default": 100
        },
        "setPreload": {
          "type": "boolean",
          "default": true
        },
        "mountOnload": {
          "type": "boolean",
          "default": false
        },
        "hostOnloadPath": {
          "type": "string",
          "default": "/opt/onload/"
        },
        "kubeletDir": {
          "type": "string",
          "default": "/var/lib/kubelet/device-plugins"
        },
        "podResourcesDir": {
          "type": "string"
        },
        "baseMountPath": {
          "type": "string",
          "default": "/opt/onload"
        },
        "binMountPath": {
          "type": "string",
          "default": "/usr/bin"
        },
        "libMountPath": {
          "type": "string"
        },
        "libMounthPath": {
          "type": "string"
        },
        "metricsBindAddress": {
          "type": "string"
        },
        "stackMetrics": {
          "type": "boolean",
          "default": false
        },
        "resources": {
          "type": "object",
          "properties": {
            "requests": {
              "type": "object",
              "additionalProperties": {
                "x-kubernetes-int-or-string": true
              }
            },
            "limits": {
              "type": "object",
              "additionalProperties": {
                "x-kubernetes-int-or-string": true
              }
            }
          }
        }
      },
      "default": {}
    },
    "imagePullSecrets": {
      "type": "array",
      "items": {
        "type": "object",
        "properties": {
          "name": {
            "type": "string"
          }
        }
      }
    },
    "tolerations": {
      "type": "array",
      "items": {
        "type": "object",
        "properties": {
          "key": {
            "type": "string"
          },
          "operator": {
            "type": "string",
            "enum": [
              "Exists",
              "Equal"
            ]
          },
          "value": {
            "type": "string"
          },
          "effect": {
            "type": "string",
            "enum": [
              "NoSchedule",
              "PreferNoSchedule",
              "NoExecute"
            ]
          },
          "tolerationSeconds": {
            "type": "integer"
          }
        }
      }
    },
    "upgrade": {
      "type": "object",
      "properties": {
        "maxUnavailable": {
          "default": 1,
          "x-kubernetes-int-or-string": true
        },
        "paused": {
          "type": "boolean",
          "default": false
        },
        "drain": {
          "type": "object",
          "properties": {
            "timeoutSeconds": {
              "type": "integer",
              "default": 300
            },
            "gracePeriodSeconds": {
              "type": "integer"
            },
            "force": {
              "type": "boolean",
              "default": false
            }
          },
          "default": {}
        },
        "stepTimeoutSeconds": {
          "type": "integer",
          "default": 900
        },
        "onFailure": {
          "type": "string",
          "default": "Halt",
          "enum": [
            "Halt",
            "Rollback"
          ]
        }
      },
      "default": {}
    }
  },
  "required": [
    "selector",
    "serviceAccountName",
    "onload"
  ]
};

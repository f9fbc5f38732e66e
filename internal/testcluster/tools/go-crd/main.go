// Command go-crd judges CustomResourceDefinitions, and objects of them, as the API server of Kubernetes 1.25 does.
//
// It takes JSON on standard input, one a line: first a CustomResourceDefinition, then objects of its first version. For
// each it writes one JSON line to standard output: a list of what is wrong, empty if it is admitted.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/install"
	v1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	crdvalidation "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/runtime"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<24)
	encoder := json.NewEncoder(os.Stdout)
	if !lines.Scan() {
		return fmt.Errorf("no CustomResourceDefinition on standard input")
	}
	crd, err := read(lines.Bytes())
	if err != nil {
		return err
	}
	ctx := context.Background()
	if err := encoder.Encode(texts(crdvalidation.ValidateCustomResourceDefinition(ctx, crd))); err != nil {
		return err
	}
	props := crd.Spec.Validation
	if props == nil {
		props = crd.Spec.Versions[0].Schema
	}
	structural, err := schema.NewStructural(props.OpenAPIV3Schema)
	if err != nil {
		return err
	}
	validator, _, err := validation.NewSchemaValidator(props)
	if err != nil {
		return err
	}
	rules := cel.NewValidator(structural, true, cel.PerCallLimit)
	for lines.Scan() {
		var object map[string]any
		if err := utiljson.Unmarshal(lines.Bytes(), &object); err != nil {
			return err
		}
		defaulting.Default(object, structural)
		problems := validation.ValidateCustomResource(nil, object, validator)
		if len(problems) == 0 {
			more, _ := rules.Validate(ctx, nil, structural, object, nil, cel.RuntimeCELCostBudget)
			problems = append(problems, more...)
		}
		if err := encoder.Encode(texts(problems)); err != nil {
			return err
		}
	}
	return lines.Err()
}

func read(text []byte) (*apiextensions.CustomResourceDefinition, error) {
	scheme := runtime.NewScheme()
	install.Install(scheme)
	given := &v1.CustomResourceDefinition{}
	if err := json.Unmarshal(text, given); err != nil {
		return nil, err
	}
	scheme.Default(given)
	crd := &apiextensions.CustomResourceDefinition{}
	return crd, scheme.Convert(given, crd, nil)
}

func texts(problems field.ErrorList) []string {
	found := []string{}
	for _, problem := range problems {
		found = append(found, problem.Error())
	}
	return found
}

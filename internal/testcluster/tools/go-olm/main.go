// Judges the folder of an OLM bundle by operator-framework's own validators, and prints what they say as JSON.
//
//	go-olm FOLDER
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/operator-framework/api/pkg/manifests"
	"github.com/operator-framework/api/pkg/validation"
	interfaces "github.com/operator-framework/api/pkg/validation/interfaces"
)

// All that need neither images nor a network, and are not withdrawn.
var validators = map[string]interfaces.Validator{
	"ClusterServiceVersion":    validation.ClusterServiceVersionValidator,
	"CustomResourceDefinition": validation.CustomResourceDefinitionValidator,
	"Bundle":                   validation.BundleValidator,
	"OperatorHubV2":            validation.OperatorHubV2Validator,
	"StandardCategories":       validation.StandardCategoriesValidator,
	"StandardCapabilities":     validation.StandardCapabilitiesValidator,
	"Object":                   validation.ObjectValidator,
	"OperatorGroup":            validation.OperatorGroupValidator,
	"AlphaDeprecatedAPIs":      validation.AlphaDeprecatedAPIsValidator,
	"GoodPractices":            validation.GoodPracticesValidator,
}

// What one validator says of a bundle.
type finding struct {
	Validator string `json:"validator"`
	Level     string `json:"level"`
	Detail    string `json:"detail"`
}

func main() {
	bundle, err := manifests.GetBundleFromDir(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	objects := bundle.ObjectsToValidate()
	findings := []finding{}
	for name, validator := range validators {
		for _, result := range validator.Validate(objects...) {
			for _, each := range append(result.Errors, result.Warnings...) {
				findings = append(findings, finding{name, string(each.Level), each.Error()})
			}
		}
	}
	if err := json.NewEncoder(os.Stdout).Encode(findings); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

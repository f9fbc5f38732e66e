// Command go-regexp says what Go's package regexp, by which KMM chooses kernel mappings, makes of regular expressions.
//
// It takes one JSON question a line on standard input and writes one JSON answer a line to standard output: whether the
// expression matches each of the texts, or why it does not parse.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
)

type question struct {
	Regexp string   `json:"regexp"`
	Texts  []string `json:"texts"`
}

type answer struct {
	Error   string `json:"error,omitempty"`
	Matches []bool `json:"matches"`
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<24)
	output := bufio.NewWriter(os.Stdout)
	encoder := json.NewEncoder(output)
	for lines.Scan() {
		var q question
		if err := json.Unmarshal(lines.Bytes(), &q); err != nil {
			fail(err)
		}
		if err := encoder.Encode(judge(q)); err != nil {
			fail(err)
		}
	}
	if err := lines.Err(); err != nil {
		fail(err)
	}
	if err := output.Flush(); err != nil {
		fail(err)
	}
}

func judge(q question) answer {
	expression, err := regexp.Compile(q.Regexp)
	if err != nil {
		return answer{Error: err.Error()}
	}
	matches := make([]bool, len(q.Texts))
	for i, text := range q.Texts {
		matches[i] = expression.MatchString(text)
	}
	return answer{Matches: matches}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

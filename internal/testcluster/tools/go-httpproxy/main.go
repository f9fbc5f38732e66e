// Command go-httpproxy says which proxy Go's package httpproxy, by which kubectl chooses one, takes for a URL.
//
// It takes one JSON question a line on standard input and writes one JSON answer a line to standard output: the host of
// the proxy, "" for none.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/url"
	"os"

	"golang.org/x/net/http/httpproxy"
)

type question struct {
	URL     string `json:"url"`
	HTTP    string `json:"http"`
	HTTPS   string `json:"https"`
	NoProxy string `json:"noProxy"`
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	output := bufio.NewWriter(os.Stdout)
	encoder := json.NewEncoder(output)
	for lines.Scan() {
		var q question
		if err := json.Unmarshal(lines.Bytes(), &q); err != nil {
			fail(err)
		}
		answer, err := choose(q)
		if err != nil {
			fail(err)
		}
		if err := encoder.Encode(answer); err != nil {
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

func choose(q question) (string, error) {
	target, err := url.Parse(q.URL)
	if err != nil {
		return "", err
	}
	config := httpproxy.Config{HTTPProxy: q.HTTP, HTTPSProxy: q.HTTPS, NoProxy: q.NoProxy}
	proxy, err := config.ProxyFunc()(target)
	if err != nil || proxy == nil {
		return "", err
	}
	return proxy.Host, nil
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

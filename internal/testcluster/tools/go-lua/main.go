// Command go-lua runs a Lua script over objects as Argo CD does, whose health checks are Lua scripts: with the same
// interpreter, and the object as the global obj.
//
// It takes the script as its only argument and one JSON object a line on standard input. It writes one JSON answer a
// line to standard output: the table that the script returns, as strings.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"

	lua "github.com/yuin/gopher-lua"
)

func main() {
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(script string) error {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<24)
	encoder := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var object any
		if err := json.Unmarshal(lines.Bytes(), &object); err != nil {
			return err
		}
		answer, err := evaluate(script, object)
		if err != nil {
			return err
		}
		if err := encoder.Encode(answer); err != nil {
			return err
		}
	}
	return lines.Err()
}

func evaluate(script string, object any) (map[string]string, error) {
	state := lua.NewState()
	defer state.Close()
	state.SetGlobal("obj", value(state, object))
	if err := state.DoString(script); err != nil {
		return nil, err
	}
	table, ok := state.Get(-1).(*lua.LTable)
	if !ok {
		return nil, fmt.Errorf("the script returns no table")
	}
	answer := map[string]string{}
	table.ForEach(func(key, each lua.LValue) { answer[key.String()] = each.String() })
	return answer, nil
}

func value(state *lua.LState, object any) lua.LValue {
	switch each := object.(type) {
	case bool:
		return lua.LBool(each)
	case float64:
		return lua.LNumber(each)
	case string:
		return lua.LString(each)
	case []any:
		table := state.NewTable()
		for _, item := range each {
			table.Append(value(state, item))
		}
		return table
	case map[string]any:
		table := state.NewTable()
		for key, item := range each {
			table.RawSetString(key, value(state, item))
		}
		return table
	}
	return lua.LNil
}

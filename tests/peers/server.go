// A server of its author's own, as one is written in an afternoon with encoding/json: no SDK, no
// checks. It writes down what it executes; `GET /executed` says, and forgets, which ran.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sort"
	"strings"
	"sync"
)

type message struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
	Params struct {
		Name      string                     `json:"name"`
		URI       string                     `json:"uri"`
		Arguments map[string]json.RawMessage `json:"arguments"`
	} `json:"params"`
}

// What allowed_pay takes.
type payment struct {
	Params struct {
		Arguments struct {
			Amount float64 `json:"amount"`
		} `json:"arguments"`
	} `json:"params"`
}

// A list of the one tool that declares headers.
const tools = `[{"name":"allowed_near","inputSchema":{"type":"object","properties":{` +
	`"region":{"type":"string","x-mcp-header":"Region"},` +
	`"count":{"type":"integer","x-mcp-header":"Count"},` +
	`"flag":{"type":"boolean","x-mcp-header":"Flag"}}}}]`

type execution struct {
	Method string   `json:"method"`
	Target string   `json:"target"`
	Keys   []string `json:"keys"`
	Amount *float64 `json:"amount,omitempty"`
}

var (
	lock     sync.Mutex
	executed = []execution{}
)

func execute(raw []byte) (string, bool) {
	var m message
	if err := json.Unmarshal(raw, &m); err != nil {
		return "", false
	}
	e := execution{Method: m.Method, Target: m.Params.Name, Keys: []string{}}
	switch m.Method {
	case "tools/call":
		if !strings.HasPrefix(e.Target, "allowed_") && !strings.HasPrefix(e.Target, "forbidden_") {
			return "", false
		}
		if e.Target == "allowed_pay" {
			var p payment
			if err := json.Unmarshal(raw, &p); err != nil {
				return "", false
			}
			e.Amount = &p.Params.Arguments.Amount
		}
	case "tools/list":
		return fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"result":{"resultType":"complete","tools":%s}}`, m.ID, tools), true
	case "prompts/get":
	case "resources/read":
		e.Target = m.Params.URI
	default:
		return "", false
	}
	for key := range m.Params.Arguments {
		e.Keys = append(e.Keys, key)
	}
	sort.Strings(e.Keys)
	lock.Lock()
	executed = append(executed, e)
	lock.Unlock()
	if len(m.ID) == 0 {
		return "", true
	}
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"result":{"resultType":"complete","content":[]}}`, m.ID), true
}

func serve(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/executed" {
		lock.Lock()
		defer lock.Unlock()
		json.NewEncoder(w).Encode(executed)
		executed = []execution{}
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil || len(body) == 0 || r.Method != http.MethodPost {
		http.Error(w, "no", http.StatusBadRequest)
		return
	}
	var batch []json.RawMessage
	if json.Unmarshal(body, &batch) != nil {
		batch = []json.RawMessage{body}
	} else if len(batch) == 0 {
		http.Error(w, "no", http.StatusBadRequest)
		return
	}
	var answers []string
	for _, raw := range batch {
		answer, ok := execute(raw)
		if !ok {
			answer = `{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"no"}}`
		}
		if answer != "" {
			answers = append(answers, answer)
		}
	}
	w.Header().Set("Content-Type", "application/json")
	if len(batch) == 1 && body[0] != '[' {
		io.WriteString(w, strings.Join(answers, ""))
	} else {
		io.WriteString(w, "["+strings.Join(answers, ",")+"]")
	}
}

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Printf("listening on http://%s/mcp\n", listener.Addr())
	// Attacks that break it off are nothing to report.
	quiet := log.New(io.Discard, "", 0)
	server := http.Server{Handler: http.HandlerFunc(serve), ErrorLog: quiet}
	server.Serve(listener)
}

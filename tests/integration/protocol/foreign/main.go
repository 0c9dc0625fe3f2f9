// A Varlink client that knows nothing of dixis: it drives the daemon with the library of
// varlink.org's Go implementation and prints what it met as one JSON document.
//
//	foreign ADDRESS APP
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/varlink/go/varlink"
	"github.com/varlink/go/varlink/idl"
)

const supervisor = "gr.dixis.Supervisor"

type result struct {
	Info        map[string]interface{}
	Methods     []string
	Service     []string
	Ping        map[string]interface{}
	List        map[string]interface{}
	Streamed    []map[string]interface{}
	Subscribed  []bool
	Errors      map[string]string
	AfterErrors map[string]interface{}
}

func check(what string, err error) {
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", what, err)
		os.Exit(1)
	}
}

// Parses a description as the library's own code generator does. The parser of Debian's 0.4.0 doesn't
// know yet that the specification allows capitals in an interface's name.
func methods(ctx context.Context, link *varlink.Connection, name string) []string {
	text, err := link.GetInterfaceDescription(ctx, name)
	check("GetInterfaceDescription "+name, err)
	lower := strings.ToLower(name)
	parsed, err := idl.New(strings.Replace(text, "\ninterface "+name+"\n", "\ninterface "+lower+"\n", 1))
	check("the description of "+name, err)
	if parsed.Name != lower {
		check("the description of "+name, fmt.Errorf("it calls itself %s", parsed.Name))
	}
	names := []string{}
	for _, method := range parsed.Methods {
		names = append(names, method.Name)
	}
	return names
}

// The name of the error that a call ends with, and what it carries.
func failure(ctx context.Context, link *varlink.Connection, method string, in interface{}) string {
	var out map[string]interface{}
	switch err := link.Call(ctx, method, in, &out).(type) {
	case nil:
		return "none"
	case *varlink.InterfaceNotFound:
		return err.Error() + " " + err.Interface
	case *varlink.MethodNotFound:
		return err.Error() + " " + err.Method
	case *varlink.MethodNotImplemented:
		return err.Error() + " " + err.Method
	case *varlink.InvalidParameter:
		return err.Error() + " " + err.Parameter
	case *varlink.Error:
		return err.Name
	default:
		return "not a Varlink error: " + err.Error()
	}
}

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	address, app := os.Args[1], os.Args[2]
	link, err := varlink.NewConnection(ctx, address)
	check("connect", err)
	defer link.Close()

	got := result{Errors: map[string]string{}}
	check("GetInfo", link.Call(ctx, "org.varlink.service.GetInfo", nil, &got.Info))
	got.Methods = methods(ctx, link, supervisor)
	got.Service = methods(ctx, link, "org.varlink.service")
	check("Ping", link.Call(ctx, supervisor+".Ping", nil, &got.Ping))
	check("List", link.Call(ctx, supervisor+".List", map[string][]string{"targets": {app}}, &got.List))

	receive, err := link.Send(ctx, supervisor+".Start", map[string][]string{"targets": {app}}, varlink.More)
	check("Start", err)
	for flags := uint64(varlink.Continues); flags&varlink.Continues != 0; {
		reply := map[string]interface{}{}
		flags, err = receive(ctx, &reply)
		check("a reply of Start", err)
		got.Streamed = append(got.Streamed, reply)
	}

	events, err := varlink.NewConnection(ctx, address)
	check("connect again", err)
	receive, err = events.Send(ctx, supervisor+".Subscribe", nil, varlink.More)
	check("Subscribe", err)
	flags, err := receive(ctx, &map[string]interface{}{})
	check("the first reply of Subscribe", err)
	got.Subscribed = append(got.Subscribed, flags&varlink.Continues != 0)
	events.Close()

	for name, call := range map[string]struct {
		method string
		in     interface{}
	}{
		"InterfaceNotFound":    {"org.example.Nothing.Do", nil},
		"MethodNotFound":       {supervisor + ".Nothing", nil},
		"MethodNotImplemented": {supervisor + ".Upgrade", nil},
		"InvalidParameter":     {supervisor + ".List", map[string]int{"targets": 3}},
		"ExpectedMore":         {supervisor + ".Subscribe", nil},
		"NoSuchApp":            {supervisor + ".Stop", map[string][]string{"targets": {"nothing"}}},
	} {
		got.Errors[name] = failure(ctx, link, call.method, call.in)
	}
	check("Ping after errors", link.Call(ctx, supervisor+".Ping", nil, &got.AfterErrors))
	check("print", json.NewEncoder(os.Stdout).Encode(got))
}

// SPDX-License-Identifier: MIT

// Package guard is the wire of the SMTP services: a net.Conn that stands between a stranger and go-smtp.
//
// RFC 5321 gives a server two grammars on one stream, commands and message text, and the change between them is where
// servers are broken into: whoever makes two programs disagree about where a message ends can smuggle a second one past
// the first. So exactly one program here decides where a line, a path and a message end, and it is this package.
// Lines end in CRLF (2.3.8), a message ends in CRLF.CRLF and in nothing else (4.1.1.4), and a stray CR or LF is refused.
//
// What go-smtp behind it sees is one clean command line at a time, each written anew from its parsed parts, and of a message no
// more than the final dot: the body goes from the Conn to the frame in blocks (Body). What go-smtp answers is taken as
// a code; the client reads the frame's own reply (Answer), or the named one for that code.
//
// The guard also owns everything that has to do with time and patience (4.5.3.2): an absolute deadline a command, a
// rolling one and a minimum rate in the text, limits of lines and errors; STARTTLS (RFC 3207) with its rule that nothing
// said in the clear counts afterwards; replies gathered into one packet (RFC 2920 3.2); and the 421 at shutdown. A read
// or write that failed once fails for ever: a connection never comes back from a time-out to run text as commands.
//
// Who may send what to whom is not its business: that is the Owner's.
//
// SECURITY: all input is hostile. Every line, text, time and count has a limit; a panic while serving one client ends
// that client's connection and nothing else.
package guard

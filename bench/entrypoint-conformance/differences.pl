# Compares what two JVMs got and prints a row of the table; exits 1 if a difference has no reason.
#
#   differences.pl SHAPE VERSION DIRECTORY      (DIRECTORY/official and DIRECTORY/flugs)
use strict;
use warnings;

my ($shape, $version, $directory) = @ARGV;

# Each reason: a pattern for a difference (`+` is what flugs has and the official image has not,
# `-` the other way round), the shapes that it holds for, and the reason.
my @reasons = (
    [qr/^\+jvm -XX:\+UseG1GC$/, qr/./, "G1 on every TaskManager"],
    [qr/^\+jvm -XX:ErrorFile=/, qr/./, "crash reports beside the log"],
    [qr/^[-+]class path /, qr/./, "no empty class path entries"],
    [qr/^\+jvm --add-(opens|exports)/, qr/./, "module access, which 1.13 does not ship"],
    [qr/^[-+]conf-directory /, qr/./, "Flink reads a directory of the launch's own"],
    [qr/^-set query\.server\.port=/, qr/./, "no Flink reads query.server.port"],
    [qr/^\+set cluster\.registration\.error-delay=/, qr/./, "flugs looks again sooner"],
    [qr/^\+set (blob\.server\.port|jobmanager\.rpc\.address|taskmanager\.numberOfTaskSlots|rest\.port|parallelism\.default)=/,
        qr/read-only-conf|arbitrary-user|without-write-permission/, "variables count with a read-only conf"],
    [qr/^-set (jobmanager\.rpc\.address|taskmanager\.numberOfTaskSlots|rest\.port|parallelism\.default)=/,
        qr/read-only-conf|arbitrary-user|without-write-permission/, "variables count with a read-only conf"],
    [qr/^[-+](jvm|set env\.java\.opts\.taskmanager=).*-D?[ac]/, qr/properties-with-blanks/, "values keep their blanks"],
    [qr/^-set #/, qr/./, "comments are no keys"],
    [qr/^[-+](set|jvm) /, qr/^(mounted-file)$/, "a file of the user's, kept as it is"],
    [qr/^[-+]set env\.java\.opts\.all=/, qr/./, "the parser of 1.20 quotes it anew"],
);

sub lines { my $path = shift; open my $file, '<', $path or return (); chomp(my @lines = <$file>); @lines }

# What one JVM got: its options, class path, main class, arguments and settings in effect.
sub got {
    my $record = shift;
    my ($conf) = (lines("$record/directory"), '?');
    my (@facts, %set, $main, @jvm);
    for (lines("$record/settings")) { $set{$1} = $2 if /^([^=]+)=(.*)$/ }
    my @arguments = lines("$record/arguments");
    while (@arguments) {
        my $word = shift @arguments;
        if ($word eq '-classpath' || $word eq '-cp') { push @facts, "class path " . shift @arguments }
        elsif (defined $main) {
            if ($word eq '-D' || $word =~ /^-D(.+)/) {
                my ($key, $value) = split /=/, $word eq '-D' ? shift @arguments : $1, 2;
                $value =~ s/^"(.*)"$/$1/;
                $set{$key} = $value;
            }
            elsif ($word eq '--configDir') { push @facts, "conf-directory " . shift @arguments }
            elsif ($word eq '--host') { $set{'jobmanager.rpc.address'} = shift @arguments }
            elsif ($word eq '--webui-port') { $set{'rest.port'} = shift @arguments }
            else { push @facts, "argument " . @facts . " $word" if 0; push @facts, "argument $word" }
        }
        elsif ($word =~ /^[a-z][\w.]*\.[A-Z]\w*$/) { $main = $word }
        else { $word =~ s/\Q$conf\E/CONF/g; push @jvm, $word }
    }
    # A value in quotes is the value; several writers of YAML differ in them.
    for (values %set) { s/^(['"])(.*)\1$/$2/; }
    push @facts, map({ "jvm $_" } @jvm), map({ "set $_=$set{$_}" } sort keys %set);
    push @facts, 'main ' . ($main // 'none'), map({ "user $_" } lines("$record/user"));
    return ($main // 'none', @facts);
}

my ($main, @official) = got("$directory/official");
my (undef, @flugs) = got("$directory/flugs");
my (%official, %flugs);
$official{$_}++ for @official;
$flugs{$_}++ for @flugs;
my @differences = (
    map({ "-$_" } grep { !$flugs{$_} } sort keys %official),
    map({ "+$_" } grep { !$official{$_} } sort keys %flugs),
);
my (%said, @unexplained);
for my $difference (@differences) {
    my ($found) = grep { $difference =~ $_->[0] && $shape =~ $_->[1] } @reasons;
    if ($found) { $said{ $found->[2] }++ } else { push @unexplained, $difference }
}
$main =~ s/.*\.//;
my $cell = join '; ', sort keys %said;
$cell .= ($cell ? '; ' : '') . "UNEXPLAINED: " . join(' ', map { "`$_`" } @unexplained) if @unexplained;
$cell = 'none' if $cell eq '';
print "| $shape | $version | $main | $cell |\n";
if ($main eq 'none') {
    print STDERR "$shape ($version): there was no JVM\n", map { "$_\n" } lines("$directory/official/log"), lines("$directory/flugs/log");
}
exit(@unexplained || $main eq 'none' ? 1 : 0);

@echo off
rem Builds the command line in Release (quickly, when nothing changed), then runs it with the given arguments.
setlocal
set "LOG=%TEMP%\vertebra-build-%RANDOM%.log"
dotnet build "%~dp0src\Vertebra.Cli" -c Release -v quiet --nologo -p:RunAnalyzers=false > "%LOG%" 2>&1
if errorlevel 1 (
  type "%LOG%" 1>&2
  del "%LOG%"
  exit /b 1
)
del "%LOG%"
dotnet "%~dp0src\Vertebra.Cli\bin\Release\net10.0\vertebra.dll" %*
exit /b %ERRORLEVEL%
